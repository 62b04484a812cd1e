"""Tells 176 languages apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from . import _async_model, _model
from ._interface import INTERFACES
from ._tensors import Answer, AnyTexts

if TYPE_CHECKING:
    from jubako_client.options import CallOptions
    from typing_extensions import Unpack

__all__ = [
    "AsyncLanguage",
    "Language",
    "LanguageOutputs",
    "LanguageVersion",
]

LanguageVersion: TypeAlias = Literal[1]


@dataclass(frozen=True, eq=False)
class LanguageOutputs:
    """What the model gives.

    Attributes:
        languages: BYTES of shape [batch, 3]. ISO 639 codes, such as en.
        scores: FP32 of shape [batch, 3]. Their probabilities.
    """

    languages: npt.NDArray[np.object_]
    scores: npt.NDArray[np.float32]


def _outputs(answer: Answer) -> LanguageOutputs:
    return LanguageOutputs(
        languages=answer.array("languages", np.object_),
        scores=answer.array("scores", np.float32),
    )


class Language(_model.TensorModel):
    """Tells 176 languages apart."""

    interface = INTERFACES["language"]

    def __call__(
        self,
        *,
        version: LanguageVersion,
    ) -> Language:
        """The model at one of its versions."""
        return self._at(version)

    def infer(
        self,
        *,
        text: AnyTexts,
        parameters: _model.Parameters | None = None,
        **options: Unpack[CallOptions],
    ) -> LanguageOutputs:
        """Ask the model.

        Args:
            text: BYTES of shape [batch, 1].
            parameters: Values beside the tensors, such as `priority`.

        Raises:
            InvalidRequest: an input has another datatype or shape.
            JubakoError: there is no answer.
        """
        found = self._infer(
            {
                "text": text,
            },
            parameters,
            options,
        )
        return _outputs(found)


class AsyncLanguage(_async_model.AsyncTensorModel):
    """Tells 176 languages apart."""

    interface = INTERFACES["language"]

    def __call__(
        self,
        *,
        version: LanguageVersion,
    ) -> AsyncLanguage:
        """The model at one of its versions."""
        return self._at(version)

    async def infer(
        self,
        *,
        text: AnyTexts,
        parameters: _model.Parameters | None = None,
        **options: Unpack[CallOptions],
    ) -> LanguageOutputs:
        """Ask the model.

        Args:
            text: BYTES of shape [batch, 1].
            parameters: Values beside the tensors, such as `priority`.

        Raises:
            InvalidRequest: an input has another datatype or shape.
            JubakoError: there is no answer.
        """
        found = await self._infer(
            {
                "text": text,
            },
            parameters,
            options,
        )
        return _outputs(found)
