"""How a connection is encrypted."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

import grpc


@dataclass(frozen=True)
class Tls:
    """Files in PEM.

    Attributes:
        roots: Certificates of the authorities that are trusted; None for those of the system.
        certificate: The client's own certificate, for servers that want one. It goes with `key`.
        key: The key of `certificate`.
        server_name: The name that the server's certificate must bear, if it is not the one in the target.
    """

    roots: str | Path | None = None
    certificate: str | Path | None = None
    key: str | Path | None = None
    server_name: str | None = None

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("A client's certificate needs its key, and the key its certificate. Give both or neither.")

    def credentials(self) -> grpc.ChannelCredentials:
        """
        Raises:
            OSError: a file can't be read.
        """
        roots = self.roots if self.roots is not None else ssl.get_default_verify_paths().cafile
        return grpc.ssl_channel_credentials(_content(roots), _content(self.key), _content(self.certificate))


def _content(path: str | Path | None) -> bytes | None:
    return Path(path).read_bytes() if path is not None else None
