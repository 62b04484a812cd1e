"""SmolLM2 135M Instruct on transformers, converted once from the GGUF file of smollm2."""

from __future__ import annotations

from typing import Literal, TypeAlias

from . import _async_model, _model
from ._interface import INTERFACES

__all__ = [
    "AsyncSmollm2Transformers",
    "Smollm2Transformers",
    "Smollm2TransformersVersion",
]

Smollm2TransformersVersion: TypeAlias = Literal[1]


class Smollm2Transformers(
    _model.ChatModel,
    _model.CompletionModel,
):
    """SmolLM2 135M Instruct on transformers, converted once from the GGUF file of smollm2."""

    interface = INTERFACES["smollm2-transformers"]

    def __call__(
        self,
        *,
        version: Smollm2TransformersVersion,
    ) -> Smollm2Transformers:
        """The model at one of its versions."""
        return self._at(version)


class AsyncSmollm2Transformers(
    _async_model.AsyncChatModel,
    _async_model.AsyncCompletionModel,
):
    """SmolLM2 135M Instruct on transformers, converted once from the GGUF file of smollm2."""

    interface = INTERFACES["smollm2-transformers"]

    def __call__(
        self,
        *,
        version: Smollm2TransformersVersion,
    ) -> AsyncSmollm2Transformers:
        """The model at one of its versions."""
        return self._at(version)
