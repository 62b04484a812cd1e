"""How a call ends: a code, a sentence, and the trailers that carry them."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from jubako.errors import JubakoError
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

MAX_MESSAGE: Final = 2000
"""Characters of a sentence; clients refuse trailers of more than 8 KiB, and one may be three bytes, percent-encoded."""

_PLAIN: Final = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")


class Status(Exception):
    """The end of a call, raised where that is how it ends."""

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    @classmethod
    def of(cls, error: JubakoError) -> Status:
        return cls(error.grpc_code, error.message)

    def trailers(self) -> bytes:
        """As a header block."""
        if self.code == "OK":
            return OK_TRAILERS
        message = self.message if len(self.message) <= MAX_MESSAGE else self.message[: MAX_MESSAGE - 3] + "..."
        return literal("grpc-status", str(CODES[self.code])) + literal("grpc-message", quote(message, safe=_PLAIN))


OK: Final = Status("OK")
