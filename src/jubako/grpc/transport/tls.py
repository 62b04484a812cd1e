"""TLS for the port: the certificate that it shows, and whose certificates clients must show.

The files are looked at again when clients connect, so that certificates are renewed by writing them: a client that connects
after that meets the new ones. Files that can't be used change nothing but the log, until they can.
"""

from __future__ import annotations

import logging
import ssl
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from jubako.errors import ConfigurationError
from jubako.settings import Settings, flag_of

log = logging.getLogger(__name__)

LOOK_S: Final = 1.0

HANDSHAKE_S: Final = 10.0

CLOSING_S: Final = 5.0
"""How long a client may take to read the rest and say that it has seen the end of the connection."""

Stamp = tuple[tuple[int, int, int], ...]
"""Inode, time and size of each file."""


@dataclass(frozen=True)
class Files:
    """PEM files.

    Attributes:
        cert: The server's certificate, and behind it those that lead from it to its authority.
        key: The key of that certificate, without a passphrase.
        client_ca: Authorities, one of which must have signed what a client shows; None: clients show nothing.
    """

    cert: Path
    key: Path
    client_ca: Path | None = None

    @classmethod
    def of(cls, settings: Settings) -> Files | None:
        """Those that the settings name; None where the port speaks without TLS.

        Raises:
            ConfigurationError: one of them is missing.
        """
        cert, key, client_ca = settings.grpc_tls_cert, settings.grpc_tls_key, settings.grpc_tls_client_ca
        if cert is not None and key is not None:
            return cls(cert, key, client_ca)
        given = {"grpc_tls_cert": cert, "grpc_tls_key": key, "grpc_tls_client_ca": client_ca}
        if there := [flag_of(name) for name, path in given.items() if path is not None]:
            missing = [flag_of(name) for name in ("grpc_tls_cert", "grpc_tls_key") if given[name] is None]
            raise ConfigurationError(
                f"{' and '.join(there)} can't be without {' and '.join(missing)}. "
                "Give a certificate and its key, or neither for a port without TLS."
            )
        return None

    def stamp(self) -> Stamp:
        """Differs after a file was written.

        Raises:
            OSError: one can't be looked at.
        """
        found = [path.stat() for path in (self.cert, self.key, self.client_ca) if path is not None]
        return tuple((status.st_ino, status.st_mtime_ns, status.st_size) for status in found)

    def context(self) -> ssl.SSLContext:
        """
        Raises:
            ConfigurationError: a file can't be read, is not what it should be, or does not fit the others.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["h2"])
        # Connections are few and long, and a session that goes on would outlive a change of the authorities.
        context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION
        context.num_tickets = 0
        _require_certificates(self.cert, "grpc_tls_cert")
        _read(self.key, "grpc_tls_key")
        try:
            context.load_cert_chain(self.cert, self.key, self._no_passphrase)
        except (ssl.SSLError, ValueError) as error:
            raise ConfigurationError(self._why_not_a_pair(error)) from None
        if self.client_ca is not None:
            _require_certificates(self.client_ca, "grpc_tls_client_ca")
            context.load_verify_locations(self.client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _no_passphrase(self) -> str:
        raise ConfigurationError(
            f"The key {self.key} ({flag_of('grpc_tls_key')}) is protected by a passphrase, for which a server can't ask. "
            "Give a file of the key without one."
        )

    def _why_not_a_pair(self, error: Exception) -> str:
        if isinstance(error, ssl.SSLError) and error.reason == "KEY_VALUES_MISMATCH":
            return f"The key {self.key} ({flag_of('grpc_tls_key')}) is not that of the certificate {self.cert}."
        if isinstance(error, ssl.SSLError) and error.reason in ("EE_KEY_TOO_SMALL", "CA_MD_TOO_WEAK"):
            return f"The certificate {self.cert} ({flag_of('grpc_tls_cert')}) is too weak for this machine's OpenSSL."
        return f"The file {self.key} ({flag_of('grpc_tls_key')}) has no private key in PEM form."


class Certificates:
    """The files in use.

    Args:
        look_s: They are looked at no more often than once in so many seconds.
        handshake_s: A client that has not finished its handshake within it is hung up on.

    Raises:
        ConfigurationError: they can't be used.
    """

    def __init__(self, files: Files, look_s: float = LOOK_S, handshake_s: float = HANDSHAKE_S) -> None:
        self.handshake_s = handshake_s
        self._files = files
        self._look_s = look_s
        self._seen = self._stamp()
        self._looked = time.monotonic()
        self._current = files.context()
        self.context = files.context()
        """For the socket that listens; every handshake goes on with the newest certificates."""
        self.context.sni_callback = self._choose

    def _choose(self, connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        # Whether the client names the server or not. What is chosen decides on the certificate and on the authorities.
        now = time.monotonic()
        if now - self._looked >= self._look_s:
            self._looked = now
            self._look()
        connection.context = self._current

    def _look(self) -> None:
        stamp = self._stamp()
        if stamp == self._seen:
            return
        self._seen = stamp
        try:
            self._current = self._files.context()
        except ConfigurationError as error:
            log.error("The TLS certificate of gRPC has changed and can't be used; the one before stays. %s", error.message)
        else:
            log.info("The TLS certificate of gRPC was renewed from %s.", self._files.cert)

    def _stamp(self) -> Stamp | None:
        try:
            return self._files.stamp()
        except OSError:
            return None


def _require_certificates(path: Path, setting: str) -> None:
    text = _read(path, setting)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cadata=text)
    except (ssl.SSLError, ValueError):
        raise ConfigurationError(f"The file {path} ({flag_of(setting)}) has no certificate in PEM form.") from None


def _read(path: Path, setting: str) -> str:
    try:
        return path.read_text("ascii", "replace")
    except OSError as error:
        raise ConfigurationError(f"The file {path} ({flag_of(setting)}) can't be read: {error.strerror}.") from None
