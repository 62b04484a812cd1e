"""numpy arrays as raw contents of the Open Inference Protocol, and back.

Contents are row-major and little-endian. An element of BYTES is a length in four bytes and that many bytes. BF16 is the upper
half of FP32; as an array it is float32, exactly.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from jubako_client._protos import inference as pb
from jubako_client.errors import InternalError, InvalidRequest, JubakoError

Array: TypeAlias = npt.NDArray[np.generic]
Parameter: TypeAlias = bool | int | float | str

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
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
}
_DATATYPES: Final = {dtype: name for name, dtype in _DTYPES.items()}
_LENGTH: Final = struct.Struct("<I")


def infer_request(
    model: str,
    inputs: Mapping[str, npt.ArrayLike],
    outputs: Sequence[str],
    datatypes: Mapping[str, str],
    parameters: Mapping[str, Parameter],
) -> pb.ModelInferRequest:
    """
    Raises:
        InvalidRequest: an array has no datatype in the protocol.
    """
    name, _, version = model.rpartition(":")
    if not (name and version.isdecimal()):
        name, version = model, ""
    request = pb.ModelInferRequest(model_name=name, model_version=version)
    for tensor, given in inputs.items():
        array = np.asarray(given)
        datatype = datatypes.get(tensor) or _datatype(array, tensor)
        request.inputs.add(name=tensor, datatype=datatype, shape=array.shape)
        request.raw_input_contents.append(_raw(array, datatype, tensor))
    for output in outputs:
        request.outputs.add(name=output)
    for key, value in parameters.items():
        _set(request.parameters[key], value)
    return request


def arrays(response: pb.ModelInferResponse) -> dict[str, Array]:
    """The outputs by their names. Numbers share the answer's memory and are read-only.

    Raises:
        InternalError: the answer has no raw contents, or other than its shapes say.
    """
    try:
        pairs = zip(response.outputs, response.raw_output_contents, strict=True)
        return {output.name: _array(output, content) for output, content in pairs}
    except (KeyError, ValueError, struct.error) as error:
        raise InternalError(f"The server's answer can't be read as tensors: {error}") from None


def stream_arrays(answer: pb.ModelStreamInferResponse, request_id: str) -> dict[str, Array]:
    """
    Raises:
        JubakoError: the server refuses the request, or failed on it; within a stream it does not say which.
    """
    if answer.error_message:
        raise JubakoError(answer.error_message, request_id=request_id)
    return arrays(answer.infer_response)


def _datatype(array: Array, name: str) -> str:
    dtype = array.dtype
    if dtype.kind in "OSTU":
        return "BYTES"
    if (datatype := _DATATYPES.get(dtype.newbyteorder("="))) is not None:
        return datatype
    if dtype.name == "bfloat16":
        return "BF16"
    raise InvalidRequest(f"An array of dtype {array.dtype} has no datatype; convert it, for example to float32.", param=name)


def _raw(array: Array, datatype: str, name: str) -> bytes:
    if datatype == "BYTES":
        elements = [each if isinstance(each, bytes) else str(each).encode() for each in array.ravel().tolist()]
        return b"".join(_LENGTH.pack(len(each)) + each for each in elements)
    try:
        if datatype == "BF16":
            wide = np.ascontiguousarray(array.astype(np.float32))
            bits = wide.view(np.uint32)
            # To the nearest, ties to even; what is no number stays none.
            rounded = np.where(np.isnan(wide), bits | 0x400000, bits + 0x7FFF + ((bits >> 16) & 1))
            return (rounded >> 16).astype("<u2").tobytes()
        return np.ascontiguousarray(array, dtype=_DTYPES[datatype]).tobytes()
    except KeyError:
        raise InvalidRequest(
            f"There is no datatype {datatype!r}; there are {', '.join(_DTYPES)}, BF16, BYTES.", param=name
        ) from None
    except (TypeError, ValueError) as error:
        raise InvalidRequest(f"The input {name!r} can't be made {datatype}: {error}.", param=name) from None


def _array(output: pb.ModelInferResponse.InferOutputTensor, content: bytes) -> Array:
    shape = tuple(output.shape)
    if output.datatype == "BF16":
        return (np.frombuffer(content, "<u2").astype(np.uint32) << 16).view(np.float32).reshape(shape)
    if output.datatype != "BYTES":
        return np.frombuffer(content, _DTYPES[output.datatype]).reshape(shape)
    found: list[bytes] = []
    start = 0
    while start < len(content):
        (length,) = _LENGTH.unpack_from(content, start)
        start += _LENGTH.size + length
        if start > len(content):
            raise ValueError("an element of BYTES is cut short")
        found.append(content[start - length : start])
    array = np.empty(len(found), dtype=object)
    array[:] = found
    return array.reshape(shape)


def _set(parameter: pb.InferParameter, value: Parameter) -> None:
    if isinstance(value, bool):
        parameter.bool_param = value
    elif isinstance(value, int):
        if value < 2**63:
            parameter.int64_param = value
        else:
            parameter.uint64_param = value
    elif isinstance(value, float):
        parameter.double_param = value
    else:
        parameter.string_param = value
