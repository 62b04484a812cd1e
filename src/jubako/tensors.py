"""Tensors between the front ends and the backends: names, datatypes, shapes and raw contents.

Datatypes are those of the Open Inference Protocol
(https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md). Contents are
row-major and little-endian. An element of BYTES is a length in four bytes and that many bytes. BF16 is the upper half of FP32;
as an array, where numpy has no such type, it is float32, exactly.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, cast, get_args

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from jubako.errors import InvalidRequest

if TYPE_CHECKING:
    Buffer: TypeAlias = bytes | bytearray | memoryview
else:
    # What msgspec decodes to: a view into the frame, without a copy. It encodes all three.
    Buffer = memoryview

Datatype = Literal[
    "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "BF16", "FP32", "FP64", "BYTES"
]
DATATYPES: Final[tuple[Datatype, ...]] = get_args(Datatype)

Content = Literal["image"]
"""What an input can be said to be, beyond its datatype and shape."""

Array: TypeAlias = npt.NDArray[np.generic]
"""Any array; one of dtype object holds `bytes` elements."""

Arrays: TypeAlias = dict[str, Array]
"""Arrays by the names of the tensors."""

ITEM_BYTES: Final[dict[str, int]] = {
    "BOOL": 1,
    "UINT8": 1,
    "UINT16": 2,
    "UINT32": 4,
    "UINT64": 8,
    "INT8": 1,
    "INT16": 2,
    "INT32": 4,
    "INT64": 8,
    "FP16": 2,
    "BF16": 2,
    "FP32": 4,
    "FP64": 8,
}
"""Bytes of an element, for every datatype but BYTES."""

MAX_ELEMENTS: Final = 2**40
"""More elements are refused before anything is computed with them."""

MAX_DIMENSIONS: Final = 32
"""As over HTTP. The product of a great many takes minutes."""

_DTYPES: Final[dict[str, np.dtype[np.generic]]] = {
    "BOOL": np.dtype(np.bool_),
    "UINT8": np.dtype(np.uint8),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "INT8": np.dtype(np.int8),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP16": np.dtype("<f2"),
    "BF16": np.dtype("<f4"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
    "BYTES": np.dtype(object),
}
_DATATYPES: Final[dict[np.dtype[np.generic], Datatype]] = {
    dtype: cast(Datatype, name) for name, dtype in _DTYPES.items() if name not in ("BF16", "BYTES")
}
_LENGTH: Final = struct.Struct("<I")


class Region(Struct, frozen=True, array_like=True, gc=False):
    """A part of a shared memory region of this machine.

    Attributes:
        key: The region's name in the system, as ``shm_open`` takes it.
        offset: Where the part begins, in bytes from the start of the system's region.
        byte_size: How long it is.
    """

    key: str
    offset: int
    byte_size: int


class Tensor(Struct, frozen=True, array_like=True, gc=False):
    """One tensor with its contents.

    Attributes:
        shape: Whole, with the batch dimension where the model has one.
        data: The raw contents, exactly as long as shape and datatype say; empty while `region` is set.
        region: Where in shared memory the contents are, or are to be written.
        attached: Bytes of the contents that follow the frame apart; only the channel uses it.
    """

    name: str
    datatype: Datatype
    shape: list[int]
    data: Buffer
    region: Region | None = None
    attached: int = 0


class TensorSpec(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a model says of one of its inputs or outputs.

    Attributes:
        shape: Without the batch dimension where the model has one (`Signature.max_batch_size` above 0); -1 is any length.
        optional: A request may leave the input out.
        ragged: Requests whose shapes differ in this input may share a batch: their elements are joined end to end.
        labels: Names of the classes along the last axis of an output; empty where there are none.
        content: ``image`` says that each row of an input, or the input where the model has no batch dimension, is a picture, in a
            form of :func:`holds_images`. On the wire it is a tensor as any other: generated clients make it of pictures.
        description: For people.
    """

    name: str
    datatype: Datatype
    shape: list[int]
    optional: bool = False
    ragged: bool = False
    labels: list[str] = []
    content: Content | None = None
    description: str = ""


class Signature(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a tensor model takes and gives.

    Attributes:
        max_batch_size: Most rows of a batch; 0 where the model has no batch dimension, and shapes are whole.
        decoupled: A request may have no, one or many answers, so that it must be streamed.
        platform: What the Open Inference Protocol calls the kind of model, such as ``onnxruntime_onnx``.
    """

    inputs: list[TensorSpec]
    outputs: list[TensorSpec]
    max_batch_size: int = 0
    decoupled: bool = False
    platform: str = ""


def holds_images(datatype: str, shape: Sequence[int]) -> bool:
    """Whether a tensor can be pictures: UINT8 with height, width and 1, 3 or 4 channels (grey, RGB, RGBA), or BYTES, each element
    of which is an image file.

    Args:
        shape: Without the batch dimension.
    """
    return datatype == "BYTES" or (datatype == "UINT8" and len(shape) == 3 and shape[2] in (1, 3, 4))


def dtype_of(datatype: str) -> np.dtype[np.generic]:
    """numpy's type for a datatype; object for BYTES, float32 for BF16.

    Raises:
        InvalidRequest: there is no such datatype.
    """
    try:
        return _DTYPES[datatype]
    except KeyError:
        raise InvalidRequest(f"There is no datatype {datatype!r}; there are {', '.join(DATATYPES)}.", param="datatype") from None


def datatype_of(array: Array) -> Datatype:
    """The datatype of an array; BYTES for text, bytes and objects.

    Raises:
        InvalidRequest: no datatype is like it, such as complex128.
    """
    dtype = array.dtype.newbyteorder("=")
    if (datatype := _DATATYPES.get(dtype)) is not None:
        return datatype
    if dtype.kind in "OSU":
        return "BYTES"
    raise InvalidRequest(f"An array of dtype {array.dtype} has no datatype in the protocol; convert it, for example to float32.")


def elements(shape: Sequence[int], name: str) -> int:
    """How many elements a tensor of this shape has.

    Raises:
        InvalidRequest: a dimension is negative, or there are more than `MAX_ELEMENTS`, or too many dimensions.
    """
    if len(shape) > MAX_DIMENSIONS:
        sentence = f"The shape of {name!r} has {len(shape)} dimensions; a tensor has at most {MAX_DIMENSIONS}."
        raise InvalidRequest(sentence, param=name)
    if any(size < 0 for size in shape):
        raise InvalidRequest(f"The shape {list(shape)} of {name!r} has a negative dimension.", param=name)
    count = math.prod(shape)
    if count > MAX_ELEMENTS:
        raise InvalidRequest(f"The shape {list(shape)} of {name!r} has more elements than any request can hold.", param=name)
    return count


def check_contents(tensor: Tensor) -> None:
    """See that a tensor's contents are as long as its shape and datatype say. BYTES are only counted where they are read.

    Raises:
        InvalidRequest: they are not, or the shape or the datatype is none.
    """
    count = elements(tensor.shape, tensor.name)
    if tensor.datatype == "BYTES" or tensor.region is not None:
        return
    item = ITEM_BYTES.get(tensor.datatype)
    if item is None:
        dtype_of(tensor.datatype)
        raise AssertionError(tensor.datatype)
    if len(tensor.data) != count * item:
        raise InvalidRequest(
            f"The input {tensor.name!r} of shape {tensor.shape} and datatype {tensor.datatype} must have {count * item} bytes; "
            f"{len(tensor.data)} came.",
            param=tensor.name,
        )


def to_array(tensor: Tensor) -> Array:
    """The tensor as an array. It shares the tensor's memory and is read-only, except for BYTES and BF16, which are made anew.

    Raises:
        InvalidRequest: the contents do not fit shape and datatype.
    """
    check_contents(tensor)
    if tensor.datatype == "BYTES":
        return _unpack_bytes(tensor)
    if tensor.datatype == "BF16":
        halves = np.frombuffer(tensor.data, dtype="<u2")
        return (halves.astype(np.uint32) << 16).view(np.float32).reshape(tensor.shape)
    return np.frombuffer(tensor.data, dtype=_DTYPES[tensor.datatype]).reshape(tensor.shape)


def from_array(name: str, array: Array, datatype: Datatype | None = None) -> Tensor:
    """An array as a tensor, of `datatype` or of the array's own. Contiguous arrays are not copied.

    Raises:
        InvalidRequest: no datatype is like the array's.
    """
    datatype = datatype or datatype_of(array)
    shape = list(array.shape)
    if datatype == "BYTES":
        return Tensor(name, datatype, shape, pack_bytes(array))
    if datatype == "BF16":
        bits = np.ascontiguousarray(array, dtype=np.float32).view(np.uint32)
        # To the nearest, ties to even; what is no number stays none.
        rounded = np.where(np.isnan(array), bits | 0x400000, bits + 0x7FFF + ((bits >> 16) & 1))
        return Tensor(name, datatype, shape, (rounded >> 16).astype("<u2").data.cast("B"))
    contiguous = np.ascontiguousarray(array, dtype=_DTYPES[datatype])
    # An array without elements has no bytes to view.
    return Tensor(name, datatype, shape, contiguous.data.cast("B") if contiguous.size else b"")


def pack_bytes(array: Array) -> bytes:
    """Elements as the protocol writes BYTES; text becomes UTF-8, anything else that is not bytes, its text."""
    pieces: list[bytes] = []
    for element in array.ravel(order="C").tolist():
        content = element if isinstance(element, bytes) else str(element).encode()
        pieces.append(_LENGTH.pack(len(content)))
        pieces.append(content)
    return b"".join(pieces)


def _unpack_bytes(tensor: Tensor) -> Array:
    count = elements(tensor.shape, tensor.name)
    data = memoryview(tensor.data)
    # Each element has at least its length: checked before anything is made for them.
    if count * _LENGTH.size > len(data):
        raise _bytes_error(tensor, count)
    found: list[bytes] = []
    start = 0
    while start < len(data):
        if start + _LENGTH.size > len(data):
            raise _bytes_error(tensor, count)
        (length,) = _LENGTH.unpack_from(data, start)
        start += _LENGTH.size
        if start + length > len(data):
            raise _bytes_error(tensor, count)
        found.append(bytes(data[start : start + length]))
        start += length
    if len(found) != count:
        raise _bytes_error(tensor, count)
    array = np.empty(count, dtype=object)
    array[:] = found
    return array.reshape(tensor.shape)


def _bytes_error(tensor: Tensor, count: int) -> InvalidRequest:
    return InvalidRequest(
        f"The input {tensor.name!r} of shape {tensor.shape} must have {count} BYTES elements, each a length in four bytes and as "
        f"many bytes; its {len(tensor.data)} bytes are not that.",
        param=tensor.name,
    )
