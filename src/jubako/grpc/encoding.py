"""Messages as bytes, as far as they are looked at before protobuf reads them.

https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from typing import Final

from google.protobuf.message import Message

from jubako.errors import InvalidRequest

MOST_VALUES: Final = 100_000
"""Most fields of a message and of those in it. Protobuf makes dozens of bytes of each, of which its sender needs two."""

VARINT: Final = 0
FIXED64: Final = 1
BYTES: Final = 2
FIXED32: Final = 5


def require_few_values(kind: type[Message], message: memoryview) -> None:
    """
    Raises:
        InvalidRequest: the message, which is of this kind, has more than MOST_VALUES fields, and `param` is where they are; or it
            is none, or written in a way that no client of today does.
    """
    left = MOST_VALUES
    # What is still to be read, the innermost last: its kind, where it goes on, where it ends, and the outermost field it is in.
    unread = [(kind.DESCRIPTOR, 0, len(message), "")]
    try:
        while unread:
            inner, position, end, within = unread.pop()
            while position < end:
                key, position = read_varint(message, position)
                begin, position = read_extent(message, position, key & 7)
                field = inner.fields_by_number.get(key >> 3)
                left -= 1
                if left < 0:
                    raise _too_many(within or (field.name if field is not None else ""))
                if field is not None and field.message_type is not None:
                    unread.append((inner, position, end, within))
                    inner, position, end, within = field.message_type, begin, position, within or field.name
    except (IndexError, ValueError):
        raise no_message(kind) from None


def no_message(kind: type[Message]) -> InvalidRequest:
    """The error for bytes that are no message of this kind."""
    return InvalidRequest(f"The message is no {kind.DESCRIPTOR.full_name}.")


def _too_many(field: str) -> InvalidRequest:
    return InvalidRequest(
        f"The message has more than {MOST_VALUES} values, up to those in {field!r}. Send fewer at a time.",
        param=field or None,
        code="invalid_value",
    )


def read_extent(message: memoryview, position: int, kind: int) -> tuple[int, int]:
    """Where the value of a field begins and ends, its key being read.

    Raises:
        ValueError: the kind is none that protobuf still writes.
    """
    if kind == BYTES:
        size, position = read_varint(message, position)
        return position, position + size
    if kind == VARINT:
        return position, read_varint(message, position)[1]
    if kind in (FIXED32, FIXED64):
        return position, position + (4 if kind == FIXED32 else 8)
    raise ValueError(kind)


def read_varint(message: memoryview, position: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 64:
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
    raise ValueError("a number is too long")
