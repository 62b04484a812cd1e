"""SmolLM2 135M Instruct on vLLM, converted once from the GGUF file of smollm2."""

from __future__ import annotations

from typing import Literal, TypeAlias

from . import _async_model, _model
from ._interface import INTERFACES

__all__ = [
    "AsyncSmollm2Vllm",
    "Smollm2Vllm",
    "Smollm2VllmVersion",
]

Smollm2VllmVersion: TypeAlias = Literal[1]


class Smollm2Vllm(
    _model.ChatModel,
    _model.CompletionModel,
):
    """SmolLM2 135M Instruct on vLLM, converted once from the GGUF file of smollm2."""

    interface = INTERFACES["smollm2-vllm"]

    def __call__(
        self,
        *,
        version: Smollm2VllmVersion,
    ) -> Smollm2Vllm:
        """The model at one of its versions."""
        return self._at(version)


class AsyncSmollm2Vllm(
    _async_model.AsyncChatModel,
    _async_model.AsyncCompletionModel,
):
    """SmolLM2 135M Instruct on vLLM, converted once from the GGUF file of smollm2."""

    interface = INTERFACES["smollm2-vllm"]

    def __call__(
        self,
        *,
        version: Smollm2VllmVersion,
    ) -> AsyncSmollm2Vllm:
        """The model at one of its versions."""
        return self._at(version)
