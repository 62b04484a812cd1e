"""Arrays as onnxruntime takes and gives them."""

from __future__ import annotations

import ctypes
from typing import Final

import numpy as np
import onnxruntime

from jubako.errors import InvalidRequest
from jubako.tensors import Array, Datatype, from_array

DATATYPES: Final[dict[str, Datatype]] = {
    "tensor(bool)": "BOOL",
    "tensor(uint8)": "UINT8",
    "tensor(uint16)": "UINT16",
    "tensor(uint32)": "UINT32",
    "tensor(uint64)": "UINT64",
    "tensor(int8)": "INT8",
    "tensor(int16)": "INT16",
    "tensor(int32)": "INT32",
    "tensor(int64)": "INT64",
    "tensor(float16)": "FP16",
    "tensor(bfloat16)": "BF16",
    "tensor(float)": "FP32",
    "tensor(double)": "FP64",
    "tensor(string)": "BYTES",
}
"""By onnxruntime's names of types."""

_BFLOAT16 = 16
"""TensorProto.BFLOAT16."""


def as_text(name: str, array: Array) -> Array:
    """`array` of `bytes` as `str`, which is what onnxruntime takes.

    Raises:
        InvalidRequest: an element is not UTF-8.
    """
    try:
        decoded = [element.decode() if isinstance(element, bytes) else element for element in array.ravel().tolist()]
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"An element of the input {name!r} is not UTF-8: {error}.", param=name) from None
    text = np.empty(len(decoded), dtype=object)
    text[:] = decoded
    return text.reshape(array.shape)


def to_value(name: str, array: Array, datatype: Datatype) -> onnxruntime.OrtValue:
    """An array as onnxruntime's own value, for models with BF16, which numpy lacks."""
    if datatype == "BF16":
        halves = np.frombuffer(from_array(name, array, "BF16").data, dtype="<u2").reshape(array.shape)
        return onnxruntime.OrtValue.ortvalue_from_numpy_with_onnx_type(halves, _BFLOAT16)
    return onnxruntime.OrtValue.ortvalue_from_numpy(as_text(name, array) if datatype == "BYTES" else np.ascontiguousarray(array))


def from_value(value: onnxruntime.OrtValue) -> Array:
    """The contents of onnxruntime's own value; BF16 as float32."""
    if value.data_type() != "tensor(bfloat16)":
        array: Array = value.numpy()
        return array
    shape = value.shape()
    halves = np.empty(shape, dtype=np.uint16)
    ctypes.memmove(halves.ctypes.data, value.data_ptr(), halves.nbytes)
    return (halves.astype(np.uint32) << 16).view(np.float32)
