"""Marks the pixels of an image that belong to text (PP-OCRv4); a step of ocr."""

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
    "AsyncOcrDetector",
    "OcrDetector",
    "OcrDetectorOutputs",
    "OcrDetectorVersion",
]

OcrDetectorVersion: TypeAlias = Literal[1]


@dataclass(frozen=True, eq=False)
class OcrDetectorOutputs:
    """What the model gives.

    Attributes:
        sigmoid_0_tmp_0: The tensor 'sigmoid_0.tmp_0', FP32 of shape [batch, 1, any, any].
    """

    sigmoid_0_tmp_0: npt.NDArray[np.float32]


def _outputs(answer: Answer) -> OcrDetectorOutputs:
    return OcrDetectorOutputs(
        sigmoid_0_tmp_0=answer.array("sigmoid_0.tmp_0", np.float32),
    )


class OcrDetector(_model.TensorModel):
    """Marks the pixels of an image that belong to text (PP-OCRv4); a step of ocr."""

    interface = INTERFACES["ocr-detector"]

    def __call__(
        self,
        *,
        version: OcrDetectorVersion,
    ) -> OcrDetector:
        """The model at one of its versions."""
        return self._at(version)

    def infer(
        self,
        *,
        x: npt.NDArray[np.float32] | Floats,
        parameters: _model.Parameters | None = None,
        **options: Unpack[CallOptions],
    ) -> OcrDetectorOutputs:
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


class AsyncOcrDetector(_async_model.AsyncTensorModel):
    """Marks the pixels of an image that belong to text (PP-OCRv4); a step of ocr."""

    interface = INTERFACES["ocr-detector"]

    def __call__(
        self,
        *,
        version: OcrDetectorVersion,
    ) -> AsyncOcrDetector:
        """The model at one of its versions."""
        return self._at(version)

    async def infer(
        self,
        *,
        x: npt.NDArray[np.float32] | Floats,
        parameters: _model.Parameters | None = None,
        **options: Unpack[CallOptions],
    ) -> OcrDetectorOutputs:
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
