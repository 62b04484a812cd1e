"""Requests to servers of other people: one kind of client, patience with it, and what may be said of an address."""

from __future__ import annotations

import ipaddress
import random
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from jubako.errors import ConfigurationError

AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses that may be over in a moment."""


@dataclass(frozen=True)
class Patience:
    """How often to try again after nothing came; an attempt that brought something starts the count anew."""

    attempts: int = 6
    first_pause_s: float = 0.5
    longest_pause_s: float = 15.0

    def pause_s(self, failures: int) -> float:
        pause = min(self.longest_pause_s, self.first_pause_s * 2.0 ** (failures - 1))
        return pause * random.uniform(0.75, 1.25)  # noqa: S311 - spreads clients out, hides nothing

    def pause_or_give_up(self, error: Exception, failures: int, url: str) -> None:
        """
        Raises:
            ConfigurationError: it has failed often enough.
        """
        if failures >= self.attempts:
            raise ConfigurationError(
                f"{without_secrets(url)} can't be reached or keeps failing ({error or type(error).__name__}); "
                f"{failures} attempts brought nothing. Check the network and try again; what has arrived is kept."
            ) from error
        time.sleep(self.pause_s(failures))


class Interrupted(Exception):
    """The connection or the server failed in a way that may be over in a moment."""


class NotThere(ConfigurationError):
    """The server has no such thing: status 404 or 410."""


def web_client(auth: httpx.Auth | None = None) -> httpx.Client:
    """A client that follows redirects, but never from https:// to http://, and reads the proxies of the environment."""
    return httpx.Client(
        auth=auth,
        follow_redirects=True,
        timeout=httpx.Timeout(30.0, read=60.0),
        headers={"user-agent": "jubako", "accept-encoding": "identity"},
        event_hooks={"response": [_refuse_downgrade]},
    )


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
        raise Interrupted(f"status {status}")
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


def _refuse_downgrade(response: httpx.Response) -> None:
    if not response.has_redirect_location or response.url.scheme != "https":
        return
    following = response.url.join(response.headers["location"])
    if following.scheme != "https" and not is_loopback(following.host):
        raise ConfigurationError(
            f"{without_secrets(str(response.url))} leads to an address without https://, which nothing protects."
        )
