"""Reads the characters of a line of text (PP-OCRv4); asked by ocr-lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from . import _async_model, _model
from ._interface import INTERFACES
from ._tensors import Answer, Floats

if TYPE_CHECKING:
    from jubako_client.options import CallOptions
    from typing_extensions import Unpack

__all__ = [
    "AsyncOcrRecogniser",
    "OcrRecogniser",
    "OcrRecogniserOutputs",
    "OcrRecogniserVersion",
]

OcrRecogniserVersion: TypeAlias = Literal[1]


@dataclass(frozen=True, eq=False)
class OcrRecogniserOutputs:
    """What the model gives.

    Attributes:
        softmax_11_tmp_0: The tensor 'softmax_11.tmp_0', FP32 of shape [batch, any, 6625].
    """

    softmax_11_tmp_0: npt.NDArray[np.float32]


def _outputs(answer: Answer) -> OcrRecogniserOutputs:
    return OcrRecogniserOutputs(
        softmax_11_tmp_0=answer.array("softmax_11.tmp_0", np.float32),
    )


class OcrRecogniser(_model.TensorModel):
    """Reads the characters of a line of text (PP-OCRv4); asked by ocr-lines."""

    interface = INTERFACES["ocr-recogniser"]

    def __call__(
        self,
        *,
        version: OcrRecogniserVersion,
    ) -> OcrRecogniser:
        """The model at one of its versions."""
        return self._at(version)

    def infer(
        self,
        *,
        x: npt.NDArray[np.float32] | Floats,
        parameters: _model.Parameters | None = None,
        **options: Unpack[CallOptions],
    ) -> OcrRecogniserOutputs:
        """Ask the model.

        Args:
            x: FP32 of shape [batch, 3, any, any].
            parameters: Values beside the tensors, such as `priority`.

        Raises:
            InvalidRequest: an input has another datatype or shape.
            JubakoError: there is no answer.
        """
        found = self._infer(
            {
                "x": x,
            },
            parameters,
            options,
        )
        return _outputs(found)


class AsyncOcrRecogniser(_async_model.AsyncTensorModel):
    """Reads the characters of a line of text (PP-OCRv4); asked by ocr-lines."""

    interface = INTERFACES["ocr-recogniser"]

    def __call__(
        self,
        *,
        version: OcrRecogniserVersion,
    ) -> AsyncOcrRecogniser:
        """The model at one of its versions."""
        return self._at(version)

    async def infer(
        self,
        *,
        x: npt.NDArray[np.float32] | Floats,
        parameters: _model.Parameters | None = None,
        **options: Unpack[CallOptions],
    ) -> OcrRecogniserOutputs:
        """Ask the model.

        Args:
            x: FP32 of shape [batch, 3, any, any].
            parameters: Values beside the tensors, such as `priority`.

        Raises:
            InvalidRequest: an input has another datatype or shape.
            JubakoError: there is no answer.
        """
        found = await self._infer(
            {
                "x": x,
            },
            parameters,
            options,
        )
        return _outputs(found)
