"""The contents of tensors: values of JSON into raw bytes, and raw bytes into values of JSON."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from typing import Any, Final, Literal

import msgspec
import numpy as np

from jubako.errors import InvalidRequest, Unsupported
from jubako.http.kserve.wire import AnyInput
from jubako.tensors import DATATYPES, ITEM_BYTES, MAX_ELEMENTS, Tensor, from_array, pack_bytes, to_array

_CODES: Final = {
    "UINT8": "B",
    "UINT16": "H",
    "UINT32": "I",
    "UINT64": "Q",
    "INT8": "b",
    "INT16": "h",
    "INT32": "i",
    "INT64": "q",
    "FP16": "e",
    "FP32": "f",
    "FP64": "d",
}
"""Elements as :mod:`struct` names them; BOOL, BF16 and BYTES are none of its own."""

_KINDS: Final[dict[str, Any]] = {
    "BOOL": bool | Literal[0, 1],
    "FP16": float,
    "BF16": float,
    "FP32": float,
    "FP64": float,
    "BYTES": str,
}

_LISTS: Final[dict[str, Callable[[list[Any]], list[Any]]]] = {
    datatype: partial(msgspec.convert, type=list[_KINDS.get(datatype, int)])  # type: ignore[misc]
    for datatype in DATATYPES
}
"""Checks that a list has only values of a datatype's kind."""


def count_elements(name: str, shape: Sequence[int]) -> int:
    """How many elements a tensor of this shape has.

    Raises:
        InvalidRequest: it is the shape of no tensor that could be sent.
    """
    count = 1
    for size in shape:
        if size < 0:
            raise InvalidRequest(f"The shape {list(shape)} of the input {name!r} has a negative dimension.", param=name)
        if size > MAX_ELEMENTS:
            raise InvalidRequest(_too_large(name, shape), param=name)
        count *= size
    if count > MAX_ELEMENTS:
        raise InvalidRequest(_too_large(name, shape), param=name)
    return count


def pack(given: AnyInput, values: list[Any]) -> bytes:
    """The `data` of an input as raw contents.

    Raises:
        InvalidRequest: there are more or fewer values than the shape says, they are nested otherwise, or one is out of range.
    """
    shape = given.shape
    count = count_elements(given.name, shape)
    # A flat list of scalars by its first element: what else is in it, struct refuses.
    if values and type(values[0]) is list:
        values = _flatten(given, values)
    elif len(values) != count:
        raise InvalidRequest(
            f"The input {given.name!r} of shape {shape} must have {count} elements; its data has {len(values)}.", param=given.name
        )
    datatype = given.datatype
    try:
        if (code := _CODES.get(datatype)) is not None:
            return struct.pack(f"<{count}{code}", *values)
        if datatype == "BYTES":
            return _pack_texts(values)
        if datatype == "BOOL":
            return bytes(values)
        singles = np.frombuffer(struct.pack(f"<{count}f", *values), "<f4")
        return bytes(from_array(given.name, singles, "BF16").data)
    except (struct.error, OverflowError, TypeError, ValueError, AttributeError):
        raise _misfit(given, values) from None


def typed(datatype: str, values: list[Any]) -> list[Any]:
    """Values of any JSON, each seen to be of the kind that `datatype` has in JSON.

    Raises:
        msgspec.ValidationError: one is not.
    """
    return _LISTS[datatype](values)


def unpack(tensor: Tensor) -> Sequence[object]:
    """The contents of a tensor as values that JSON can hold, flat. What is no number, and what is infinite, becomes null.

    Raises:
        Unsupported: elements of BYTES are no text.
    """
    data = tensor.data
    if tensor.datatype == "BOOL":
        return [byte != 0 for byte in data]
    if (code := _CODES.get(tensor.datatype)) is not None:
        return struct.unpack(f"<{len(data) // ITEM_BYTES[tensor.datatype]}{code}", data)
    values: list[object] = to_array(tensor).ravel().tolist()
    if tensor.datatype == "BYTES":
        try:
            return [value.decode() for value in values if isinstance(value, bytes)]
        except UnicodeDecodeError:
            raise Unsupported(
                f"The output {tensor.name!r} has elements that are not UTF-8, so that JSON can't hold them. Ask for it as bytes: "
                "give the output the parameter 'binary_data': true.",
                param=tensor.name,
            ) from None
    return values


def _pack_texts(values: list[str]) -> bytes:
    if len(values) == 1:
        content = values[0].encode()
        return len(content).to_bytes(4, "little") + content
    array = np.empty(len(values), object)
    array[:] = [value.encode() for value in values]
    return pack_bytes(array)


def _flatten(given: AnyInput, values: list[Any]) -> list[Any]:
    """Nested lists as one, if each is as long as the shape says."""
    level = values
    for position, size in enumerate(given.shape):
        if position:
            if not all(type(inner) is list for inner in level):
                raise _ragged(given)
            if any(len(inner) != size for inner in level):
                raise _ragged(given)
            level = level[0] if len(level) == 1 else list(chain.from_iterable(level))
        elif len(level) != size:
            raise _ragged(given)
    try:
        return _LISTS[given.datatype](level)
    except msgspec.ValidationError:
        raise _misfit(given, level) from None


def _ragged(given: AnyInput) -> InvalidRequest:
    return InvalidRequest(
        f"The data of the input {given.name!r} is nested otherwise than its shape {given.shape} says. Nest it just so, or send "
        "it flat.",
        param=given.name,
    )


def _misfit(given: AnyInput, values: list[Any]) -> InvalidRequest:
    """The error for the first of `values` that is none of the datatype."""
    for position, value in enumerate(values):
        if not _fits(given.datatype, value):
            # Python writes no integer of more than some thousand digits.
            shown = "a huge number" if isinstance(value, int) and value.bit_length() > 1024 else repr(value)
            shown = shown if len(shown) <= 40 else f"{shown[:40]}..."
            return InvalidRequest(
                f"Element {position} of the input {given.name!r} is {shown}, which is no {given.datatype}.", param=given.name
            )
    return InvalidRequest(f"The data of the input {given.name!r} is not all {given.datatype}.", param=given.name)


def _fits(datatype: str, value: object) -> bool:
    try:
        msgspec.convert(value, _KINDS.get(datatype, int))
        if datatype in ITEM_BYTES:
            struct.pack(f"<{_CODES.get(datatype, 'f')}", value)
    except (msgspec.ValidationError, struct.error, OverflowError, UnicodeEncodeError):
        return False
    return True


def _too_large(name: str, shape: Sequence[int]) -> str:
    return f"The shape {list(shape)} of the input {name!r} has more elements than any request can hold."
