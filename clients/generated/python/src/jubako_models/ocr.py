"""Reads the text in an image, line by line."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from . import _async_model, _model
from ._images import AnyImage, with_images
from ._interface import INTERFACES
from ._tensors import Answer, Ints

if TYPE_CHECKING:
    from jubako_client.options import CallOptions
    from typing_extensions import Unpack

__all__ = [
    "AsyncOcr",
    "Ocr",
    "OcrOutputs",
    "OcrVersion",
]

OcrVersion: TypeAlias = Literal[1]


@dataclass(frozen=True, eq=False)
class OcrOutputs:
    """What the model gives.

    Attributes:
        texts: BYTES of shape [any]. The lines, from top to bottom and from left to right.
        boxes: FP32 of shape [any, 4, 2]. The corners of each line in pixels, x and y, clockwise from its top left.
        scores: FP32 of shape [any]. How sure the model is of each line, 0.5 to 1.
    """

    texts: npt.NDArray[np.object_]
    boxes: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]


def _outputs(answer: Answer) -> OcrOutputs:
    return OcrOutputs(
        texts=answer.array("texts", np.object_),
        boxes=answer.array("boxes", np.float32),
        scores=answer.array("scores", np.float32),
    )


class Ocr(_model.TensorModel):
    """Reads the text in an image, line by line."""

    interface = INTERFACES["ocr"]

    def __call__(
        self,
        *,
        version: OcrVersion,
    ) -> Ocr:
        """The model at one of its versions."""
        return self._at(version)

    def infer(
        self,
        *,
        image: npt.NDArray[np.uint8] | AnyImage | Ints,
        parameters: _model.Parameters | None = None,
        **options: Unpack[CallOptions],
    ) -> OcrOutputs:
        """Ask the model.

        Args:
            image: UINT8 of shape [any, any, 3]. Height, width and the colours red, green and blue. May be an image of
                Pillow, the path of a picture's file, or what is in such a file.
            parameters: Values beside the tensors, such as `priority`.

        Raises:
            InvalidRequest: an input has another datatype or shape.
            OSError: the file of a picture can't be read.
            JubakoError: there is no answer.
        """
        found = self._infer(
            with_images(
                self.interface,
                {
                    "image": image,
                },
            ),
            parameters,
            options,
        )
        return _outputs(found)


class AsyncOcr(_async_model.AsyncTensorModel):
    """Reads the text in an image, line by line."""

    interface = INTERFACES["ocr"]

    def __call__(
        self,
        *,
        version: OcrVersion,
    ) -> AsyncOcr:
        """The model at one of its versions."""
        return self._at(version)

    async def infer(
        self,
        *,
        image: npt.NDArray[np.uint8] | AnyImage | Ints,
        parameters: _model.Parameters | None = None,
        **options: Unpack[CallOptions],
    ) -> OcrOutputs:
        """Ask the model.

        Args:
            image: UINT8 of shape [any, any, 3]. Height, width and the colours red, green and blue. May be an image of
                Pillow, the path of a picture's file, or what is in such a file.
            parameters: Values beside the tensors, such as `priority`.

        Raises:
            InvalidRequest: an input has another datatype or shape.
            OSError: the file of a picture can't be read.
            JubakoError: there is no answer.
        """
        found = await self._infer(
            await asyncio.to_thread(
                with_images,
                self.interface,
                {
                    "image": image,
                },
            ),
            parameters,
            options,
        )
        return _outputs(found)
