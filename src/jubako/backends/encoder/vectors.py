"""What is done to embeddings after the model."""

from __future__ import annotations

import numpy as np

from jubako.backends.encoder.engine import Vector


def shorten(vector: Vector, dimensions: int | None) -> Vector:
    """The first `dimensions` of `vector`, of length one again (matryoshka embeddings, https://arxiv.org/abs/2205.13147)."""
    if dimensions is None:
        return vector
    short = vector[:dimensions]
    length = np.linalg.norm(short)
    return short / length if length else short


def cosine(one: Vector, other: Vector) -> float:
    """The cosine of the angle between two vectors; 0 where one of them has no length."""
    lengths = float(np.linalg.norm(one)) * float(np.linalg.norm(other))
    return float(one @ other) / lengths if lengths else 0.0
