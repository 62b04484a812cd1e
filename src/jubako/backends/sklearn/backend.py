"""scikit-learn models."""

from __future__ import annotations

from jubako.backends.sklearn.engine import SklearnEngine
from jubako.backends.tensor.model import TensorBackend


class SklearnBackend(TensorBackend):
    """The backend ``sklearn``."""

    engine_class = SklearnEngine
