"""How a call ends: a code, a sentence, and the trailers that carry them."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

from jubako.errors import JubakoError
from jubako.grpc import details
from jubako.grpc.transport.headers import OK_TRAILERS, literal

CODES: Final = {
    "OK": 0,
    "CANCELLED": 1,
    "UNKNOWN": 2,
    "INVALID_ARGUMENT": 3,
    "DEADLINE_EXCEEDED": 4,
    "NOT_FOUND": 5,
    "ALREADY_EXISTS": 6,
    "PERMISSION_DENIED": 7,
    "RESOURCE_EXHAUSTED": 8,
    "FAILED_PRECONDITION": 9,
    "ABORTED": 10,
    "OUT_OF_RANGE": 11,
    "UNIMPLEMENTED": 12,
    "INTERNAL": 13,
    "UNAVAILABLE": 14,
    "DATA_LOSS": 15,
    "UNAUTHENTICATED": 16,
}
"""https://github.com/grpc/grpc/blob/master/doc/statuscodes.md"""

MAX_TRAILERS: Final = 7 * 1024
"""Bytes of all trailers as HTTP/2 counts them. Clients refuse more than 8 KiB, and headers may come with the trailers."""

MAX_MESSAGE: Final = 2000
"""Characters of a sentence."""

_MAX_ENCODED_MESSAGE: Final = 4000
"""Bytes of a sentence, percent-encoded: up to twelve a character. It leaves room for details, which repeat the sentence."""

_ENTRY: Final = 32
"""What each header counts beside its name and value (RFC 9113, section 6.5.2)."""

DETAILS: Final = "grpc-status-details-bin"
"""The trailer of a google.rpc.Status, which clients' libraries read."""

_PLAIN: Final = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")


class Status(Exception):
    """The end of a call, raised where that is how it ends."""

    def __init__(self, code: str, message: str = "", details: Sequence[bytes] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details

    @classmethod
    def of(cls, error: JubakoError, model: str = "") -> Status:
        """How `error` ends a call; `model` is the name that was asked for, if it is known."""
        return cls(error.grpc_code, error.message, details.details_of(error, model))

    def trailers(self) -> bytes:
        """As a header block. Where all of it would be too much for a client, details are left out, the last first."""
        if self.code == "OK":
            return OK_TRAILERS
        code = str(CODES[self.code])
        message, encoded = _fitting(self.message)
        room = MAX_TRAILERS - sum(len(text) + _ENTRY for text in ("grpc-status", "grpc-message")) - len(code) - len(encoded)
        block = literal("grpc-status", code) + literal("grpc-message", encoded)
        for number in range(len(self.details), 0, -1):
            content = _base64(details.status(CODES[self.code], message, self.details[:number]))
            if len(DETAILS) + len(content) + _ENTRY <= room:
                return block + literal(DETAILS, content)
        return block


def _fitting(message: str) -> tuple[str, str]:
    """The sentence, or as much of it as a trailer holds, and the same percent-encoded."""
    kept = message
    while len(kept) > MAX_MESSAGE or len(quote(kept, _PLAIN, errors="replace")) > _MAX_ENCODED_MESSAGE:
        kept = kept[: min(MAX_MESSAGE - 3, len(kept) * 9 // 10)]
    if kept is not message:
        kept += "..."
    return kept, quote(kept, _PLAIN, errors="replace")


def _base64(content: bytes) -> str:
    """As gRPC writes headers of bytes: without padding."""
    return b64encode(content).rstrip(b"=").decode("ascii")


OK: Final = Status("OK")
