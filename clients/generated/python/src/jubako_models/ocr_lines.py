"""Finds the lines of text that ocr-detector has marked and has them read; a step of ocr."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from . import _async_model, _model
from ._interface import INTERFACES
from ._tensors import Answer, Floats, Ints

if TYPE_CHECKING:
    from jubako_client.options import CallOptions
    from typing_extensions import Unpack

__all__ = [
    "AsyncOcrLines",
    "OcrLines",
    "OcrLinesOutputs",
    "OcrLinesVersion",
]

OcrLinesVersion: TypeAlias = Literal[1]


@dataclass(frozen=True, eq=False)
class OcrLinesOutputs:
    """What the model gives.

    Attributes:
        texts: BYTES of shape [any].
        boxes: FP32 of shape [any, 4, 2].
        scores: FP32 of shape [any].
    """

    texts: npt.NDArray[np.object_]
    boxes: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]


def _outputs(answer: Answer) -> OcrLinesOutputs:
    return OcrLinesOutputs(
        texts=answer.array("texts", np.object_),
        boxes=answer.array("boxes", np.float32),
        scores=answer.array("scores", np.float32),
    )


class OcrLines(_model.TensorModel):
    """Finds the lines of text that ocr-detector has marked and has them read; a step of ocr."""

    interface = INTERFACES["ocr-lines"]

    def __call__(
        self,
        *,
        version: OcrLinesVersion,
    ) -> OcrLines:
        """The model at one of its versions."""
        return self._at(version)

    def infer(
        self,
        *,
        scaled: npt.NDArray[np.uint8] | Ints,
        placing: npt.NDArray[np.float32] | Floats,
        text_map: npt.NDArray[np.float32] | Floats,
        parameters: _model.Parameters | None = None,
        **options: Unpack[CallOptions],
    ) -> OcrLinesOutputs:
        """Ask the model.

        Args:
            scaled: UINT8 of shape [any, any, 3].
            placing: FP32 of shape [5].
            text_map: FP32 of shape [1, 1, any, any].
            parameters: Values beside the tensors, such as `priority`.

        Raises:
            InvalidRequest: an input has another datatype or shape.
            JubakoError: there is no answer.
        """
        found = self._infer(
            {
                "scaled": scaled,
                "placing": placing,
                "text_map": text_map,
            },
            parameters,
            options,
        )
        return _outputs(found)


class AsyncOcrLines(_async_model.AsyncTensorModel):
    """Finds the lines of text that ocr-detector has marked and has them read; a step of ocr."""

    interface = INTERFACES["ocr-lines"]

    def __call__(
        self,
        *,
        version: OcrLinesVersion,
    ) -> AsyncOcrLines:
        """The model at one of its versions."""
        return self._at(version)

    async def infer(
        self,
        *,
        scaled: npt.NDArray[np.uint8] | Ints,
        placing: npt.NDArray[np.float32] | Floats,
        text_map: npt.NDArray[np.float32] | Floats,
        parameters: _model.Parameters | None = None,
        **options: Unpack[CallOptions],
    ) -> OcrLinesOutputs:
        """Ask the model.

        Args:
            scaled: UINT8 of shape [any, any, 3].
            placing: FP32 of shape [5].
            text_map: FP32 of shape [1, 1, any, any].
            parameters: Values beside the tensors, such as `priority`.

        Raises:
            InvalidRequest: an input has another datatype or shape.
            JubakoError: there is no answer.
        """
        found = await self._infer(
            {
                "scaled": scaled,
                "placing": placing,
                "text_map": text_map,
            },
            parameters,
            options,
        )
        return _outputs(found)
