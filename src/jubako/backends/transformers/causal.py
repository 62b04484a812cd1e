"""Models that write text."""

from __future__ import annotations

from pathlib import Path

from jubako.backends.base import ModelSpec
from jubako.backends.text.model import TextBackend
from jubako.backends.transformers.engine import TransformersEngine
from jubako.backends.transformers.params import TransformersParams


class CausalBackend(TextBackend):
    """A text backend over the library's continuous batching."""

    def __init__(self, spec: ModelSpec, weights: Path, params: TransformersParams) -> None:
        self._weights = weights
        self._params = params
        super().__init__(spec)

    def make_engine(self) -> TransformersEngine:
        return TransformersEngine(self._weights, self._params)
