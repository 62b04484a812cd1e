"""What an instance would be told of a model under test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from jubako.backends.base import ModelSpec
from jubako.backends.tensor.engine import TensorEngine
from jubako.tensors import Array, Arrays, Datatype, TensorSpec


def spec_of(
    weights: Path,
    *,
    inputs: Sequence[TensorSpec] = (),
    outputs: Sequence[TensorSpec] = (),
    max_batch_size: int | None = None,
    engine: Mapping[str, Any] | None = None,
    folder: Path | None = None,
) -> ModelSpec:
    return ModelSpec(
        model="mine",
        version=1,
        implementation="",
        tasks=["infer"],
        weights=str(weights),
        inputs=list(inputs),
        outputs=list(outputs),
        max_batch_size=max_batch_size,
        params=dict(engine or {}),
        folder=str(folder or ""),
    )


def tensor(name: str, datatype: Datatype, *shape: int, **rest: Any) -> TensorSpec:
    return TensorSpec(name=name, datatype=datatype, shape=list(shape), **rest)


def run(engine: TensorEngine, inputs: Arrays, *wanted: str) -> Arrays:
    return engine.run(inputs, frozenset(wanted), {})


def read_only(array: Array) -> Array:
    """As arrays come from a request: a view of bytes that may not be written to."""
    array = array.copy()
    array.flags.writeable = False
    return array


def floats(*values: float) -> Array:
    return np.array(values, dtype=np.float32)


def assert_near(given: Array, expected: ArrayLike, tolerance: float = 1e-5) -> None:
    np.testing.assert_allclose(np.asarray(given, dtype=np.float64), np.asarray(expected, dtype=np.float64), atol=tolerance)
