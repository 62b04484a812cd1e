"""Tells by how many degrees, clockwise, a picture of a document is turned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from . import _async_model, _model
from ._interface import INTERFACES
from ._tensors import Answer, Floats

if TYPE_CHECKING:
    from jubako_client.options import CallOptions
    from typing_extensions import Unpack

__all__ = [
    "FETCH_NAME_0_LABELS",
    "AsyncOrientation",
    "FetchName0Label",
    "Orientation",
    "OrientationOutputs",
    "OrientationVersion",
]

OrientationVersion: TypeAlias = Literal[1]

FetchName0Label: TypeAlias = Literal[
    "0",
    "90",
    "180",
    "270",
]
FETCH_NAME_0_LABELS: Final[tuple[FetchName0Label, ...]] = (
    "0",
    "90",
    "180",
    "270",
)


@dataclass(frozen=True, eq=False)
class OrientationOutputs:
    """What the model gives.

    Attributes:
        fetch_name_0: FP32 of shape [batch, 4]. The probability of each turn, in degrees clockwise. FETCH_NAME_0_LABELS
            names its classes.
    """

    fetch_name_0: npt.NDArray[np.float32]


def _outputs(answer: Answer) -> OrientationOutputs:
    return OrientationOutputs(
        fetch_name_0=answer.array("fetch_name_0", np.float32),
    )


class Orientation(_model.TensorModel):
    """Tells by how many degrees, clockwise, a picture of a document is turned."""

    interface = INTERFACES["orientation"]

    def __call__(
        self,
        *,
        version: OrientationVersion,
    ) -> Orientation:
        """The model at one of its versions."""
        return self._at(version)

    def infer(
        self,
        *,
        x: npt.NDArray[np.float32] | Floats,
        parameters: _model.Parameters | None = None,
        **options: Unpack[CallOptions],
    ) -> OrientationOutputs:
        """Ask the model.

        Args:
            x: FP32 of shape [batch, 3, 224, 224]. The middle of the picture, normalised; the channels are blue, green
                and red.
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


class AsyncOrientation(_async_model.AsyncTensorModel):
    """Tells by how many degrees, clockwise, a picture of a document is turned."""

    interface = INTERFACES["orientation"]

    def __call__(
        self,
        *,
        version: OrientationVersion,
    ) -> AsyncOrientation:
        """The model at one of its versions."""
        return self._at(version)

    async def infer(
        self,
        *,
        x: npt.NDArray[np.float32] | Floats,
        parameters: _model.Parameters | None = None,
        **options: Unpack[CallOptions],
    ) -> OrientationOutputs:
        """Ask the model.

        Args:
            x: FP32 of shape [batch, 3, 224, 224]. The middle of the picture, normalised; the channels are blue, green
                and red.
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
