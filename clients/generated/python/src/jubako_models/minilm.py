"""all-MiniLM-L6-v2 makes a vector of 384 numbers of a sentence, so that texts can be compared."""

from __future__ import annotations

from typing import Literal, TypeAlias

from . import _async_model, _model
from ._interface import INTERFACES

__all__ = [
    "AsyncMinilm",
    "Minilm",
    "MinilmVersion",
]

MinilmVersion: TypeAlias = Literal[1]


class Minilm(
    _model.EmbeddingModel,
    _model.ScoreModel,
):
    """all-MiniLM-L6-v2 makes a vector of 384 numbers of a sentence, so that texts can be compared."""

    interface = INTERFACES["minilm"]

    def __call__(
        self,
        *,
        version: MinilmVersion,
    ) -> Minilm:
        """The model at one of its versions."""
        return self._at(version)


class AsyncMinilm(
    _async_model.AsyncEmbeddingModel,
    _async_model.AsyncScoreModel,
):
    """all-MiniLM-L6-v2 makes a vector of 384 numbers of a sentence, so that texts can be compared."""

    interface = INTERFACES["minilm"]

    def __call__(
        self,
        *,
        version: MinilmVersion,
    ) -> AsyncMinilm:
        """The model at one of its versions."""
        return self._at(version)
