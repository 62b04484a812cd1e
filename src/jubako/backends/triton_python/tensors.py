"""``pb_utils.Tensor`` and the names that Triton has for datatypes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from jubako.backends.triton_python.errors import TritonModelException
from jubako.errors import InvalidRequest
from jubako.tensors import DATATYPES, Array, Datatype, datatype_of, dtype_of

_NUMBERS: dict[Datatype, int] = {
    "BOOL": 1,
    "UINT8": 2,
    "UINT16": 3,
    "UINT32": 4,
    "UINT64": 5,
    "INT8": 6,
    "INT16": 7,
    "INT32": 8,
    "INT64": 9,
    "FP16": 10,
    "FP32": 11,
    "FP64": 12,
    "BYTES": 13,
    "BF16": 14,
}
_CPU = 1
"""DLPack's number of the kind of device."""


class Tensor:
    """A named array. What ``as_numpy`` gives may be written to, as in Triton."""

    def __init__(self, name: str, numpy_array: npt.NDArray[Any]) -> None:
        if not isinstance(numpy_array, np.ndarray):
            raise TritonModelException(f"The tensor {name!r} must be a numpy array; it is {type(numpy_array).__name__}.")
        try:
            self._datatype = datatype_of(numpy_array)
        except InvalidRequest as error:
            raise TritonModelException(error.message) from None
        self._name = name
        self._array: Array = numpy_array

    def name(self) -> str:
        return self._name

    def as_numpy(self) -> Array:
        if not self._array.flags.writeable:
            self._array = self._array.copy()
        return self._array

    def shape(self) -> tuple[int, ...]:
        return self._array.shape

    def dims(self) -> list[int]:
        return list(self._array.shape)

    def triton_dtype(self) -> int:
        return _NUMBERS[self._datatype]

    def is_cpu(self) -> bool:
        return True

    def to_dlpack(self) -> object:
        return self.__dlpack__()

    @staticmethod
    def from_dlpack(name: str, tensor: Any) -> Tensor:
        """A tensor of what another library exports by DLPack; what is on a GPU is brought to the CPU.

        Raises:
            TritonModelException: it can't be had as a numpy array.
        """
        if hasattr(tensor, "__dlpack_device__") and tensor.__dlpack_device__()[0] != _CPU and hasattr(tensor, "cpu"):
            tensor = tensor.cpu()
        source: Any = tensor if hasattr(tensor, "__dlpack__") else _Capsule(tensor)
        try:
            return Tensor(name, np.from_dlpack(source))
        except (TypeError, ValueError, BufferError, RuntimeError) as error:
            raise TritonModelException(f"The tensor {name!r} can't be taken over by DLPack: {error}") from None

    def __dlpack__(self, **options: Any) -> object:
        array: Any = self.as_numpy()
        capsule: object = array.__dlpack__(**options)
        return capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return (_CPU, 0)


class _Capsule:
    """A bare DLPack capsule, as numpy wants it."""

    def __init__(self, capsule: object) -> None:
        self._capsule = capsule

    def __dlpack__(self, **options: object) -> object:
        return self._capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return (_CPU, 0)


def datatype_named(triton_name: str) -> Datatype:
    """Our datatype for Triton's, such as ``TYPE_FP32``.

    Raises:
        TritonModelException: there is none.
    """
    name = triton_name.removeprefix("TYPE_")
    name = "BYTES" if name == "STRING" else name
    for datatype in DATATYPES:
        if datatype == name:
            return datatype
    raise TritonModelException(f"There is no datatype {triton_name!r}.")


def triton_string_to_numpy(triton_type_string: str) -> type[Any]:
    """numpy's scalar type for a datatype of the configuration, such as ``TYPE_FP32``."""
    return np.object_ if triton_type_string == "TYPE_STRING" else dtype_of(datatype_named(triton_type_string)).type


def triton_to_numpy_type(data_type: int) -> type[Any]:
    """numpy's scalar type for the number of a datatype."""
    return next(dtype_of(datatype).type for datatype, number in _NUMBERS.items() if number == data_type)


def numpy_to_triton_type(data_type: npt.DTypeLike) -> int:
    """The number of the datatype of a numpy type."""
    return _NUMBERS[datatype_of(np.empty(0, dtype=data_type))]
