"""Typed contents of tensors, as raw ones."""

from __future__ import annotations

from typing import Final, cast

import numpy as np
from google.protobuf.internal.containers import RepeatedScalarFieldContainer

from jubako.errors import InvalidRequest
from jubako.protos import inference as pb
from jubako.tensors import Buffer, dtype_of

FIELDS: Final = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
"""Where the values of each datatype are; the others must be raw."""


def raw_contents(given: pb.ModelInferRequest.InferInputTensor) -> Buffer:
    """The typed contents of an input, as raw ones.

    Raises:
        InvalidRequest: they are in a field of another datatype, or one does not fit the datatype.
    """
    dtype = dtype_of(given.datatype)
    if (field := FIELDS.get(given.datatype)) is None:
        raise InvalidRequest(
            f"The input {given.name!r} is {given.datatype}, which has no typed contents. Put it into raw_input_contents.",
            param=given.name,
        )
    filled = [kind.name for kind, _ in given.contents.ListFields()]
    if wrong := [name for name in filled if name != field]:
        raise InvalidRequest(
            f"The input {given.name!r} is {given.datatype}, whose contents belong into {field}; they came in {wrong[0]}.",
            param=given.name,
        )
    values = getattr(given.contents, field)
    if given.datatype == "BYTES":
        return b"".join(len(value).to_bytes(4, "little") + value for value in values)
    numbers = np.array(cast("RepeatedScalarFieldContainer[float]", values), dtype=_wide(field, dtype))
    narrow = numbers.astype(dtype)
    if not np.array_equal(narrow, numbers, equal_nan=numbers.dtype.kind == "f"):
        outside = numbers[narrow != numbers][0]
        raise InvalidRequest(f"The input {given.name!r} holds {outside}, which is no {given.datatype}.", param=given.name)
    return narrow.tobytes()


def _wide(field: str, dtype: np.dtype[np.generic]) -> np.dtype[np.generic]:
    """The type of the field's own values, which is wider than INT8 or UINT16."""
    return {"int_contents": np.dtype("<i4"), "uint_contents": np.dtype("<u4")}.get(field, dtype)
