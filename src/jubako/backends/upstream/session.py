"""The HTTP client: one pool of connections for all upstreams of an entry."""

from __future__ import annotations

import ssl

from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector

from jubako.backends.upstream.params import UpstreamParams
from jubako.errors import ConfigurationError

_KEEP_ALIVE_S = 30.0


def open_session(params: UpstreamParams) -> ClientSession:
    """A session without limits of its own: how many requests there are is decided before, and how long they may take, beside it.

    It trusts no environment: that would also send what a ``.netrc`` holds.

    Raises:
        ConfigurationError: `ca_file` can't be read.
    """
    return ClientSession(
        connector=TCPConnector(limit=0, keepalive_timeout=_KEEP_ALIVE_S, ttl_dns_cache=60, ssl=_tls(params.ca_file)),
        cookie_jar=DummyCookieJar(),
        timeout=ClientTimeout(sock_connect=params.connect_timeout_s),
        trust_env=False,
    )


def _tls(ca_file: str | None) -> ssl.SSLContext | bool:
    if ca_file is None:
        return True
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ConfigurationError(f"`ca_file` {ca_file} can't be read as certificates: {reason}.") from None
