"""What an error says beside its sentence, as the messages of google.rpc that clients' libraries know.

https://github.com/googleapis/googleapis/blob/master/google/rpc/error_details.proto and ``status.proto`` beside it. They are few
and flat, so they are written here field by field (https://protobuf.dev/programming-guides/encoding/): a package that describes
them would be for these alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from jubako.errors import InvalidRequest, JubakoError, ModelNotFound

DOMAIN: Final = "jubako"
"""Whose reasons they are."""

MODEL: Final = "jubako.Model"
"""The type of resource that a model is."""

LONGEST: Final = 4000
"""Characters of a text. Trailers hold no more, and what clients send is repeated in them."""

_TYPES: Final = "type.googleapis.com/google.rpc."

_BEFORE_CAPITAL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")


def details_of(error: JubakoError, model: str) -> list[bytes]:
    """The details of `error`, encoded, the most telling first.

    ErrorInfo always; RetryInfo where trying again makes sense; BadRequest where a field is at fault; ResourceInfo for a model
    that does not exist, whose name is `model`, or empty where it is not known.
    """
    details = [_any("ErrorInfo", _text(1, reason_of(error)) + _text(2, DOMAIN))]
    if error.retry_after_s is not None:
        details.append(_any("RetryInfo", _bytes(1, _duration(error.retry_after_s))))
    if isinstance(error, ModelNotFound):
        details.append(_any("ResourceInfo", _text(1, MODEL) + _text(2, model) + _text(4, error.message)))
    if isinstance(error, InvalidRequest) and error.param is not None:
        details.append(_any("BadRequest", _bytes(1, _text(1, error.param) + _text(2, error.message))))
    return details


def reason_of(error: JubakoError) -> str:
    """The error's code, as it is over HTTP; of one that has none the name of its kind, such as ``invalid_request``."""
    return error.code or _BEFORE_CAPITAL.sub("_", type(error).__name__).lower()


def status(code: int, message: str, details: Sequence[bytes]) -> bytes:
    """A google.rpc.Status."""
    return _key(1, 0) + _varint(code) + _text(2, message) + b"".join(_bytes(3, detail) for detail in details)


def _any(name: str, content: bytes) -> bytes:
    """A google.protobuf.Any around a message of google.rpc."""
    return _text(1, _TYPES + name) + _bytes(2, content)


def _duration(seconds: float) -> bytes:
    """A google.protobuf.Duration of at least nothing."""
    whole, nanoseconds = divmod(round(max(seconds, 0.0) * 1e9), 10**9)
    return _key(1, 0) + _varint(whole) + _key(2, 0) + _varint(nanoseconds)


def _text(field: int, value: str) -> bytes:
    return _bytes(field, value[:LONGEST].encode("utf-8", "replace")) if value else b""


def _bytes(field: int, value: bytes) -> bytes:
    return _key(field, 2) + _varint(len(value)) + value


def _key(field: int, kind: int) -> bytes:
    return bytes([field << 3 | kind])


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
