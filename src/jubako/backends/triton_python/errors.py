"""``pb_utils.TritonError`` and what becomes of it."""

from __future__ import annotations

from typing import ClassVar

from jubako.errors import (
    DeadlineExceeded,
    InternalError,
    InvalidRequest,
    JubakoError,
    ModelNotReady,
    NotFound,
    Overloaded,
    ServerError,
    Unsupported,
)


class TritonModelException(Exception):
    """What a model raises to fail all requests that it was given; the text reaches the callers."""


class TritonError:
    """Why one request failed."""

    UNKNOWN: ClassVar[int] = 0
    INTERNAL: ClassVar[int] = 1
    NOT_FOUND: ClassVar[int] = 2
    INVALID_ARG: ClassVar[int] = 3
    UNAVAILABLE: ClassVar[int] = 4
    UNSUPPORTED: ClassVar[int] = 5
    ALREADY_EXISTS: ClassVar[int] = 6
    CANCELLED: ClassVar[int] = 7

    def __init__(self, message: str, code: int = INTERNAL) -> None:
        self._message = str(message)
        self._code = code

    def message(self) -> str:
        return self._message

    def code(self) -> int:
        return self._code

    def __str__(self) -> str:
        return self._message


_KINDS: dict[int, type[JubakoError]] = {
    TritonError.NOT_FOUND: NotFound,
    TritonError.INVALID_ARG: InvalidRequest,
    TritonError.UNAVAILABLE: ModelNotReady,
    TritonError.UNSUPPORTED: Unsupported,
    TritonError.ALREADY_EXISTS: InvalidRequest,
}


def to_jubako(error: TritonError) -> JubakoError:
    """The error for the caller. A model's own message is meant for it, so it is not withheld."""
    return _KINDS.get(error.code(), InternalError)(error.message())


def to_triton(error: JubakoError) -> TritonError:
    """What another model answered, as the model that asked it sees it."""
    match error:
        case NotFound():
            code = TritonError.NOT_FOUND
        case Unsupported():
            code = TritonError.UNSUPPORTED
        case ModelNotReady() | Overloaded() | DeadlineExceeded():
            code = TritonError.UNAVAILABLE
        case ServerError():
            code = TritonError.INTERNAL
        case _:
            code = TritonError.INVALID_ARG
    return TritonError(error.message, code)
