"""SmolLM2 135M Instruct, a small chat model that answers on any laptop."""

from __future__ import annotations

from typing import Literal, TypeAlias

from . import _async_model, _model
from ._interface import INTERFACES

__all__ = [
    "AsyncSmollm2",
    "Smollm2",
    "Smollm2Version",
]

Smollm2Version: TypeAlias = Literal[1]


class Smollm2(
    _model.ChatModel,
    _model.CompletionModel,
):
    """SmolLM2 135M Instruct, a small chat model that answers on any laptop."""

    interface = INTERFACES["smollm2"]

    def __call__(
        self,
        *,
        version: Smollm2Version,
    ) -> Smollm2:
        """The model at one of its versions."""
        return self._at(version)


class AsyncSmollm2(
    _async_model.AsyncChatModel,
    _async_model.AsyncCompletionModel,
):
    """SmolLM2 135M Instruct, a small chat model that answers on any laptop."""

    interface = INTERFACES["smollm2"]

    def __call__(
        self,
        *,
        version: Smollm2Version,
    ) -> AsyncSmollm2:
        """The model at one of its versions."""
        return self._at(version)
