"""Arrays as PyTorch takes and gives them."""

from __future__ import annotations

import warnings
from typing import Final

import numpy as np
import torch

from jubako.errors import ConfigurationError, InternalError
from jubako.tensors import Array, Datatype, TensorSpec

DTYPES: Final[dict[Datatype, torch.dtype]] = {
    "BOOL": torch.bool,
    "UINT8": torch.uint8,
    "UINT16": torch.uint16,
    "UINT32": torch.uint32,
    "UINT64": torch.uint64,
    "INT8": torch.int8,
    "INT16": torch.int16,
    "INT32": torch.int32,
    "INT64": torch.int64,
    "FP16": torch.float16,
    "BF16": torch.bfloat16,
    "FP32": torch.float32,
    "FP64": torch.float64,
}

DATATYPES: Final[dict[torch.dtype, Datatype]] = {dtype: datatype for datatype, dtype in DTYPES.items()}


def check_datatype(tensor: TensorSpec) -> None:
    """
    Raises:
        ConfigurationError: PyTorch has no such tensors.
    """
    if tensor.datatype not in DTYPES:
        raise ConfigurationError(f"The tensor {tensor.name!r} has the datatype {tensor.datatype}, which PyTorch does not have.")


def expect_read_only_arrays() -> None:
    """Hear PyTorch's one warning about them now, and not with the first request: who computes in place gets a copy."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.from_numpy(np.frombuffer(b"\0", dtype=np.uint8))


def to_tensor(array: Array, dtype: torch.dtype, device: torch.device, *, writable: bool) -> torch.Tensor:
    """An array as a tensor, which shares its memory where dtype and device allow; never memory that may not be written to, if
    `writable`."""
    tensor = torch.from_numpy(array.copy() if writable and not array.flags.writeable else array)
    return tensor.to(device=device, dtype=dtype)


def to_array(tensor: torch.Tensor, spec: TensorSpec) -> Array:
    """A tensor as an array of the signature's datatype, BF16 as float32. Only floating-point types are converted.

    Raises:
        InternalError: the model gives another kind of number than its signature says.
    """
    wanted = DTYPES[spec.datatype]
    if tensor.dtype != wanted and not (tensor.is_floating_point() and wanted.is_floating_point):
        given = DATATYPES.get(tensor.dtype, str(tensor.dtype))
        raise InternalError(
            f"The model gives {spec.name!r} as {given}, and model.yaml says {spec.datatype}. Write {given} there."
        )
    array: Array = tensor.to(device="cpu", dtype=torch.float32 if wanted is torch.bfloat16 else wanted).numpy()
    return array
