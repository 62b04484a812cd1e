"""From an image to what the detector of text takes."""

from __future__ import annotations

from typing import Annotated, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from jubako.model import InvalidRequest, Shape

LONGEST = 2000
"""Larger images are scaled down to this many pixels along their longer side."""

SHORTEST = 30
"""Smaller images are scaled up to this many pixels along their shorter side; flatter ones are given a border."""

WIDEST = 8
"""Images that are more than so many times as wide as high are given a border."""

DETECTED = 736
"""Pixels along the shorter side, at least, when text is looked for."""

STEP = 32
"""Sides must be a multiple of this many pixels."""

Image = Annotated[NDArray[np.uint8], Shape(-1, -1, 3)]


class Prepared(NamedTuple):
    """`scaled`: blue, green and red, as the models were trained. `placing`: how to get back to the pixels of the image, namely
    the factors of x and y, the border above, and the width and height of the image."""

    scaled: Image
    placing: Annotated[NDArray[np.float32], Shape(5)]
    x: Annotated[NDArray[np.float32], Shape(1, 3, -1, -1)]


class Model:
    def infer(self, image: Image) -> Prepared:
        height, width = image.shape[:2]
        if not height or not width:
            raise InvalidRequest(f"The image has {width} x {height} pixels: there is nothing to read.", param="image")
        scaled = _within_bounds(np.ascontiguousarray(image[:, :, ::-1]))
        factors = width / scaled.shape[1], height / scaled.shape[0]
        border = _border(*scaled.shape[:2])
        scaled = cv2.copyMakeBorder(scaled, border, border, 0, 0, cv2.BORDER_CONSTANT, value=(0, 0, 0))
        pixels = _resized(scaled, max(1.0, DETECTED / min(scaled.shape[:2]))).astype(np.float32)
        x = (pixels / 255 - 0.5) / 0.5
        return Prepared(scaled, np.array([*factors, border, width, height], np.float32), x.transpose(2, 0, 1)[np.newaxis])


def _within_bounds(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    longest, shortest = max(image.shape[:2]), min(image.shape[:2])
    if longest > LONGEST:
        image = _resized(image, LONGEST / longest)
        shortest = min(image.shape[:2])
    return _resized(image, SHORTEST / shortest) if shortest < SHORTEST else image


def _resized(image: NDArray[np.uint8], factor: float) -> NDArray[np.uint8]:
    height, width = (max(STEP, round(int(side * factor) / STEP) * STEP) for side in image.shape[:2])
    return cv2.resize(image, (width, height)).astype(np.uint8, copy=False)


def _border(height: int, width: int) -> int:
    """The pixels to add above and below an image that is too flat."""
    if height > SHORTEST and width / height <= WIDEST:
        return 0
    return abs(max(width // WIDEST, SHORTEST) * 2 - height) // 2
