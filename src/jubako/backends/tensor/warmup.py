"""Requests that an instance makes up for itself, so that the first caller does not wait for what an engine puts off."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from jubako.errors import ConfigurationError, InvalidRequest
from jubako.repository.config import WarmupConfig
from jubako.tensors import Array, Arrays, Signature, Tensor, TensorSpec, dtype_of, to_array

FOLDER = "warmup"
"""Where in an entry's folder the files with warm-up data lie."""


def warmup_inputs(warmup: WarmupConfig, signature: Signature, entry: Path) -> Arrays:
    """The inputs that `warmup` describes, for a model with this signature whose entry is in the folder `entry`.

    Raises:
        ConfigurationError: a file is missing or not as long as its tensor.
    """
    rows = [warmup.batch_size] if signature.max_batch_size else []
    arrays: Arrays = {}
    for spec in signature.inputs:
        if spec.optional and spec.name not in {*warmup.shapes, *warmup.data}:
            continue
        tail = warmup.shapes.get(spec.name) or [1 if size == -1 else size for size in spec.shape]
        arrays[spec.name] = _contents(spec, [*rows, *tail], warmup.data.get(spec.name, "zeros"), entry)
    return arrays


def _contents(spec: TensorSpec, shape: list[int], data: str, entry: Path) -> Array:
    dtype = dtype_of(spec.datatype)
    if data == "zeros":
        return np.full(shape, b"", dtype) if spec.datatype == "BYTES" else np.zeros(shape, dtype)
    if data == "random":
        return _random(spec, shape, dtype)
    path = entry / FOLDER / data
    try:
        return to_array(Tensor(spec.name, spec.datatype, shape, path.read_bytes()))
    except OSError as error:
        raise ConfigurationError(f"The warm-up data {FOLDER}/{data} can't be read: {error.strerror}.") from None
    except InvalidRequest as error:
        raise ConfigurationError(f"The warm-up data {FOLDER}/{data} does not fit: {error.message}") from None


def _random(spec: TensorSpec, shape: list[int], dtype: np.dtype[np.generic]) -> Array:
    generator = np.random.default_rng(0)
    if spec.datatype == "BYTES":
        return np.full(shape, b"warm-up", dtype)
    if spec.datatype == "BOOL":
        return generator.random(shape) < 0.5
    if dtype.kind in "iu":
        # Small numbers only: an index into something is likely to be within it.
        return generator.integers(0, 2, shape).astype(dtype)
    return generator.random(shape).astype(dtype)
