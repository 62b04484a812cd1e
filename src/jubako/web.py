"""Requests to servers of other people: one kind of client, patience with it, and what may be said of an address."""

from __future__ import annotations

import ipaddress
import os
import random
import ssl
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import httpx

from jubako.errors import ConfigurationError

_NO_TLS = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"})
"""What OpenSSL calls an answer that is not TLS at all."""

_OF_CLIENTS = frozenset(
    {
        "TLSV13_ALERT_CERTIFICATE_REQUIRED",
        "TLSV1_ALERT_UNKNOWN_CA",
        "SSLV3_ALERT_BAD_CERTIFICATE",
        "SSLV3_ALERT_CERTIFICATE_EXPIRED",
        "SSLV3_ALERT_CERTIFICATE_REVOKED",
        "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
        "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE",
    }
)
"""What OpenSSL calls the alerts of servers that want another certificate of their clients, or any."""

_LONGEST_NUMBER = 18  # digits

AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses that may be over in a moment."""


@dataclass(frozen=True)
class Patience:
    """How often to try again after nothing came; an attempt that brought something starts the count anew.

    Attributes:
        longest_wait_s: How long a server may ask to be left alone; what asks for more is given up at once.
    """

    attempts: int = 6
    first_pause_s: float = 0.5
    longest_pause_s: float = 15.0
    longest_wait_s: float = 60.0

    def pause_s(self, failures: int) -> float:
        pause = min(self.longest_pause_s, self.first_pause_s * 2.0 ** (failures - 1))
        return pause * random.uniform(0.75, 1.25)  # noqa: S311 - spreads clients out, hides nothing

    def pause_or_give_up(self, error: Exception, failures: int, url: str) -> None:
        """
        Raises:
            ConfigurationError: it has failed often enough, or in a way that no second attempt changes.
        """
        if sentence := _why_for_good(error):
            raise ConfigurationError(f"{without_secrets(url)} {sentence}") from error
        asked_s = error.retry_after_s if isinstance(error, Interrupted) else 0.0
        if asked_s > self.longest_wait_s:
            raise ConfigurationError(
                f"{without_secrets(url)} is not to be had now ({error}): the server asks to be left alone for {asked_s:.0f} "
                "seconds. Try again then; what has arrived is kept."
            ) from error
        if failures >= self.attempts:
            raise ConfigurationError(
                f"{without_secrets(url)} can't be reached or keeps failing ({error or type(error).__name__}); "
                f"{failures} attempts brought nothing. Check the network and try again; what has arrived is kept."
            ) from error
        time.sleep(max(self.pause_s(failures), asked_s))


class Interrupted(Exception):
    """The connection or the server failed in a way that may be over in a moment.

    Args:
        headers: Of the server's answer, which may say in how long.
    """

    def __init__(self, message: str, headers: httpx.Headers | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = _retry_after_s(headers.get("retry-after", "")) if headers else 0.0


class NotThere(ConfigurationError):
    """The server has no such thing: status 404 or 410."""


def tls_context() -> ssl.SSLContext:
    """A context of its own that trusts the usual authorities, or those that SSL_CERT_FILE or SSL_CERT_DIR names.

    Raises:
        ConfigurationError: what the environment names can't be read.
    """
    try:
        return httpx.create_ssl_context()
    except OSError as error:  # ssl.SSLError is one
        file = os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR")
        raise ConfigurationError(f"The certificates of {file}, which the environment names, can't be read: {error}.") from None


def web_client(auth: httpx.Auth | None = None, tls: ssl.SSLContext | None = None) -> httpx.Client:
    """A client that follows redirects, but never from https:// to http://, and reads the environment: proxies, SSL_CERT_FILE.

    Args:
        tls: Whom to trust, and what to show to servers that ask for a certificate. Default: :func:`tls_context`.

    Raises:
        ConfigurationError: what the environment says can't be.
    """
    trusted = tls or tls_context()
    try:
        return httpx.Client(
            auth=auth,
            verify=trusted,
            follow_redirects=True,
            timeout=httpx.Timeout(30.0, read=60.0),
            headers={"user-agent": "jubako", "accept-encoding": "identity"},
            event_hooks={"response": [_refuse_downgrade]},
        )
    except (ValueError, ImportError) as error:
        raise ConfigurationError(f"A proxy that the environment names can't be used: {error}") from None


def bounded(response: httpx.Response, largest: int) -> bytes:
    """The body of a streamed response.

    Raises:
        ConfigurationError: it has more than `largest` bytes.
    """
    content = bytearray()
    for chunk in response.iter_bytes():
        content += chunk
        if len(content) > largest:
            raise ConfigurationError(
                f"{without_secrets(str(response.url))} answers with more than {largest} bytes. Nothing was kept."
            )
    return bytes(content)


def check_status(response: httpx.Response, refused: str = "") -> None:
    """
    Args:
        refused: What to say of status 401, 403 and 404 besides the status.

    Raises:
        Interrupted: it is worth trying again.
        NotThere: the server has no such thing.
        ConfigurationError: the server refuses.
    """
    status = response.status_code
    if status < 300:
        return
    if status in AGAIN:
        raise Interrupted(f"status {status}", response.headers)
    url = without_secrets(str(response.request.url))
    hint = f" {refused}" if refused and status in {401, 403, 404} else ""
    kind = NotThere if status in {404, 410} else ConfigurationError
    raise kind(f"{url} answered with status {f'{status} {response.reason_phrase}'.rstrip()}.{hint}")


def is_loopback(host: str | None) -> bool:
    """Whether `host`, as it stands in a URL, is this machine."""
    if host is None:
        return False
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def without_secrets(url: str) -> str:
    """`url` without user, password, query and fragment, for messages and logs."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def number_in(text: str) -> int | None:
    """What a field of a header says, if it is a number that a file's size can be."""
    return int(text) if len(text) <= _LONGEST_NUMBER and text.isascii() and text.isdecimal() else None


def _why_for_good(error: Exception) -> str:
    """What is wrong, if it will be so again; empty if it may be over in a moment."""
    if isinstance(error, httpx.UnsupportedProtocol | httpx.TooManyRedirects):
        return f"can't be asked: {error}"
    cause: BaseException | None = error if isinstance(error, httpx.RequestError) else None
    while cause and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__ or cause.__context__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return (
            f"shows a certificate that is not trusted: {cause.verify_message}. If it is one of your own, name the file of its "
            "authority with SSL_CERT_FILE; that of a registry may be ~/.config/containers/certs.d/HOST:PORT/ca.crt, too."
        )
    if isinstance(cause, ssl.SSLError) and cause.reason in _OF_CLIENTS:
        return (
            f"does not take this client's certificate, or the lack of one ({cause.reason}). A registry's client has "
            "client.cert and client.key in ~/.config/containers/certs.d/HOST:PORT."
        )
    if isinstance(cause, ssl.SSLError) and cause.reason in _NO_TLS:
        return "does not speak TLS. If it is a registry that is meant to be without, write oci+http://, or say --plain-http."
    return ""


def _retry_after_s(text: str) -> float:
    """What ``Retry-After`` says (RFC 9110, section 10.2.3): seconds, or a date; 0 for what can't be read."""
    if (seconds := number_in(text)) is not None:
        return float(seconds)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return 0.0


def _refuse_downgrade(response: httpx.Response) -> None:
    if not response.has_redirect_location or response.url.scheme != "https":
        return
    try:
        following = response.url.join(response.headers["location"])
    except httpx.InvalidURL:
        raise ConfigurationError(f"{without_secrets(str(response.url))} leads to an address that is none.") from None
    if following.scheme != "https" and not is_loopback(following.host):
        raise ConfigurationError(
            f"{without_secrets(str(response.url))} leads to an address without https://, which nothing protects."
        )
