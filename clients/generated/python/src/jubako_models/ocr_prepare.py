"""Scales an image to what ocr-detector takes; a step of ocr."""

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
    "AsyncOcrPrepare",
    "OcrPrepare",
    "OcrPrepareOutputs",
    "OcrPrepareVersion",
]

OcrPrepareVersion: TypeAlias = Literal[1]


@dataclass(frozen=True, eq=False)
class OcrPrepareOutputs:
    """What the model gives.

    Attributes:
        scaled: UINT8 of shape [any, any, 3].
        placing: FP32 of shape [5].
        x: FP32 of shape [1, 3, any, any].
    """

    scaled: npt.NDArray[np.uint8]
    placing: npt.NDArray[np.float32]
    x: npt.NDArray[np.float32]


def _outputs(answer: Answer) -> OcrPrepareOutputs:
    return OcrPrepareOutputs(
        scaled=answer.array("scaled", np.uint8),
        placing=answer.array("placing", np.float32),
        x=answer.array("x", np.float32),
    )


class OcrPrepare(_model.TensorModel):
    """Scales an image to what ocr-detector takes; a step of ocr."""

    interface = INTERFACES["ocr-prepare"]

    def __call__(
        self,
        *,
        version: OcrPrepareVersion,
    ) -> OcrPrepare:
        """The model at one of its versions."""
        return self._at(version)

    def infer(
        self,
        *,
        image: npt.NDArray[np.uint8] | AnyImage | Ints,
        parameters: _model.Parameters | None = None,
        **options: Unpack[CallOptions],
    ) -> OcrPrepareOutputs:
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


class AsyncOcrPrepare(_async_model.AsyncTensorModel):
    """Scales an image to what ocr-detector takes; a step of ocr."""

    interface = INTERFACES["ocr-prepare"]

    def __call__(
        self,
        *,
        version: OcrPrepareVersion,
    ) -> AsyncOcrPrepare:
        """The model at one of its versions."""
        return self._at(version)

    async def infer(
        self,
        *,
        image: npt.NDArray[np.uint8] | AnyImage | Ints,
        parameters: _model.Parameters | None = None,
        **options: Unpack[CallOptions],
    ) -> OcrPrepareOutputs:
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
