"""Tells whether a line of text stands on its head (PP-OCR mobile v2.0); asked by ocr-lines."""

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
    "AsyncOcrClassifier",
    "OcrClassifier",
    "OcrClassifierOutputs",
    "OcrClassifierVersion",
]

OcrClassifierVersion: TypeAlias = Literal[1]


@dataclass(frozen=True, eq=False)
class OcrClassifierOutputs:
    """What the model gives.

    Attributes:
        save_infer_model_scale_0_tmp_1: The tensor 'save_infer_model/scale_0.tmp_1', FP32 of shape [batch, 2].
    """

    save_infer_model_scale_0_tmp_1: npt.NDArray[np.float32]


def _outputs(answer: Answer) -> OcrClassifierOutputs:
    return OcrClassifierOutputs(
        save_infer_model_scale_0_tmp_1=answer.array("save_infer_model/scale_0.tmp_1", np.float32),
    )


class OcrClassifier(_model.TensorModel):
    """Tells whether a line of text stands on its head (PP-OCR mobile v2.0); asked by ocr-lines."""

    interface = INTERFACES["ocr-classifier"]

    def __call__(
        self,
        *,
        version: OcrClassifierVersion,
    ) -> OcrClassifier:
        """The model at one of its versions."""
        return self._at(version)

    def infer(
        self,
        *,
        x: npt.NDArray[np.float32] | Floats,
        parameters: _model.Parameters | None = None,
        **options: Unpack[CallOptions],
    ) -> OcrClassifierOutputs:
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


class AsyncOcrClassifier(_async_model.AsyncTensorModel):
    """Tells whether a line of text stands on its head (PP-OCR mobile v2.0); asked by ocr-lines."""

    interface = INTERFACES["ocr-classifier"]

    def __call__(
        self,
        *,
        version: OcrClassifierVersion,
    ) -> AsyncOcrClassifier:
        """The model at one of its versions."""
        return self._at(version)

    async def infer(
        self,
        *,
        x: npt.NDArray[np.float32] | Floats,
        parameters: _model.Parameters | None = None,
        **options: Unpack[CallOptions],
    ) -> OcrClassifierOutputs:
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
