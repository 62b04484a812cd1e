"""Where the server listens: from the host that a person writes to an address that can be bound."""

from __future__ import annotations

import errno
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from jubako.errors import ConfigurationError


def address_of(host: str) -> str:
    """The IP address of `host`, which may be a name such as ``localhost``; IPv4 where it has one.

    Raises:
        ConfigurationError: the name means nothing here.
    """
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        raise ConfigurationError(
            f"The host {host!r} is neither an IP address nor a name that this machine knows. "
            "Give --host an address such as 127.0.0.1, or 0.0.0.0 for every network."
        ) from None
    families = {family: str(address[0]) for family, _, _, _, address in reversed(found)}
    return families.get(socket.AF_INET) or next(iter(families.values()))


@contextmanager
def held_port(host: str, port: int, flag: str = "--port") -> Iterator[int]:
    """`port` if it can be bound now; a free one where it is 0. `flag` is how one chooses another.

    On Linux nobody else is given the port while the context lasts, and whoever names it may listen there.

    Raises:
        ConfigurationError: it can't be bound; the message says why.
    """
    address = address_of(host)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            held.bind((address, port))
        except OSError as error:
            raise ConfigurationError(_why(error, host, port, flag)) from None
        chosen = int(held.getsockname()[1])
        if not sys.platform.startswith("linux"):
            held.close()  # elsewhere nobody may listen where another socket is bound
        yield chosen


def url_of(host: str, port: int) -> str:
    """What a client on this machine writes to reach the server."""
    return f"http://{address_for_clients(host, port)}"


def address_for_clients(host: str, port: int) -> str:
    """The same without a scheme, as gRPC's clients want it."""
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104 - read, not bound
    return f"{name}:{port}"


def _why(error: OSError, host: str, port: int, flag: str) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} on {host} is in use. Stop what listens there, or choose another port with {flag}."
    if error.errno == errno.EACCES:
        return f"Port {port} needs more rights than this user has. Choose one above 1023 with {flag}."
    if error.errno == errno.EADDRNOTAVAIL:
        return f"The address {host} is not one of this machine's. Choose another with --host; 0.0.0.0 is every network."
    return f"Can't listen on {host}:{port}: {error.strerror}."
