"""Inputs as the server wants them, checked before they are sent, and outputs as arrays of known types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
from jubako_client import InternalError, InvalidRequest

from ._interface import Interface, Tensor

__all__ = ["Answer", "AnyTexts", "Array", "Bools", "Floats", "Ints", "Texts", "checked", "wrong"]

Bools: TypeAlias = "Sequence[bool | Bools]"
Ints: TypeAlias = "Sequence[int | Ints]"
Floats: TypeAlias = "Sequence[float | Floats]"
Texts: TypeAlias = "Sequence[str | bytes | Texts]"
"""Lists, and lists of lists, as deep as the tensor has dimensions."""

AnyTexts: TypeAlias = "npt.NDArray[np.object_] | npt.NDArray[np.str_] | npt.NDArray[np.bytes_] | Texts"
"""Text, or bytes, in any of the forms that numpy has for it."""

Array: TypeAlias = npt.NDArray[np.generic]
Number = TypeVar("Number", bound=np.generic)

_DTYPES: Final[Mapping[str, np.dtype[np.generic]]] = {
    "BOOL": np.dtype(np.bool_),
    "UINT8": np.dtype(np.uint8),
    "UINT16": np.dtype(np.uint16),
    "UINT32": np.dtype(np.uint32),
    "UINT64": np.dtype(np.uint64),
    "INT8": np.dtype(np.int8),
    "INT16": np.dtype(np.int16),
    "INT32": np.dtype(np.int32),
    "INT64": np.dtype(np.int64),
    "FP16": np.dtype(np.float16),
    "BF16": np.dtype(np.float32),
    "FP32": np.dtype(np.float32),
    "FP64": np.dtype(np.float64),
}
_LIST_KINDS: Final[Mapping[str, str]] = {"b": "b", "i": "iu", "u": "iu", "f": "iuf"}
"""By the kind of a tensor's dtype: the kinds of numbers that a list for it may hold."""


def checked(interface: Interface, given: Mapping[str, object]) -> dict[str, Array]:
    """The inputs as arrays; those that are None are left out.

    Raises:
        InvalidRequest: one has another datatype or shape than the model takes.
    """
    arrays: dict[str, Array] = {}
    for name, value in given.items():
        tensor = interface.inputs[name]
        if value is None and tensor.optional:
            continue
        array = _array(interface, tensor, value)
        _check_shape(interface, tensor, array)
        arrays[name] = array
    return arrays


class Answer:
    """The outputs of one request."""

    def __init__(self, interface: Interface, arrays: Mapping[str, Array]) -> None:
        self._interface = interface
        self._arrays = arrays

    def array(self, name: str, kind: type[Number]) -> npt.NDArray[Number]:
        """
        Raises:
            InternalError: the server gives the output with another datatype, or not at all.
        """
        array = self._arrays.get(name)
        model = self._interface.name
        if array is None:
            raise InternalError(f"The answer of {model!r} lacks the output {name!r}, which it names.", param=name)
        if not np.issubdtype(array.dtype, kind):
            raise InternalError(
                f"The output {name!r} of {model!r} should be {self._interface.outputs[name].datatype}, but the server gave "
                f"{array.dtype}. The model has changed since this package was made; make it again.",
                param=name,
            )
        return array.astype(kind, copy=False)


def _array(interface: Interface, tensor: Tensor, value: object) -> Array:
    is_list = not isinstance(value, np.ndarray)
    if tensor.datatype == "BYTES":
        # Strings in a list stay apart: as an array of text they would all be as long as the longest.
        array = _read(interface, tensor, value, np.dtype(object) if is_list else None)
        if array.dtype.kind not in "OSU" or not all(isinstance(each, (bytes, str)) for each in array.ravel().tolist()):
            raise wrong(interface, tensor, "must hold text or bytes, and nothing else")
        return array
    dtype = _DTYPES[tensor.datatype]
    array = _read(interface, tensor, value)
    if is_list:
        if array.size and array.dtype.kind not in _LIST_KINDS[dtype.kind]:
            raise wrong(interface, tensor, f"must be {tensor.datatype}; the list holds what is none")
        converted = array.astype(dtype)
        if dtype.kind in "iu" and bool((array != converted).any()):
            raise wrong(interface, tensor, f"must be {tensor.datatype}; the list holds a number that is too large or too small")
        return converted
    same = (array.dtype.kind, array.dtype.itemsize) == (dtype.kind, dtype.itemsize)
    if not same and (tensor.datatype, str(array.dtype)) != ("BF16", "bfloat16"):
        hint = f'Convert it with .astype("{dtype}")'
        raise wrong(interface, tensor, f"must be {tensor.datatype}; an array of {array.dtype} came. {hint}")
    return array


def _read(interface: Interface, tensor: Tensor, value: object, dtype: np.dtype[np.generic] | None = None) -> Array:
    try:
        found: Array = np.asarray(value, dtype)
    except (OverflowError, TypeError, ValueError):
        raise wrong(interface, tensor, "must be an array, or lists that are equally long at each depth") from None
    return found


def _check_shape(interface: Interface, tensor: Tensor, array: Array) -> None:
    expected = (-1, *tensor.shape) if interface.batched else tensor.shape
    if array.ndim == len(expected) and all(want in (-1, have) for want, have in zip(expected, array.shape, strict=True)):
        return
    words = ["any" if size == -1 else str(size) for size in tensor.shape]
    shape = ", ".join(["batch", *words] if interface.batched else words)
    raise wrong(interface, tensor, f"must have the shape [{shape}]; {list(array.shape)} came")


def wrong(interface: Interface, tensor: Tensor, what: str) -> InvalidRequest:
    """That an input is not as it must be; `what` goes on from its name."""
    return InvalidRequest(f"The input {tensor.name!r} of {interface.name!r} {what}.", param=tensor.name)
