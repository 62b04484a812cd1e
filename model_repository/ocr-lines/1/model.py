"""From the detector's map of text to lines that are read."""

from __future__ import annotations

import math
from typing import Annotated, NamedTuple

import cv2
import numpy as np
from boxes import Box, find_boxes
from numpy.typing import NDArray

from jubako.model import ModelContext, Shape

HEIGHT = 48
"""Pixels of a line's height, as both models take it."""

TURNED_WIDTH = 192
"""Pixels of a line's width, as the classifier takes it; what is missing is padded."""

READ_WIDTH = 320
"""The same of the recogniser, which takes wider ones too."""

TOGETHER = 6
"""Lines of similar width that are read together, padded to the widest of them."""

SURELY_TURNED = 0.9
SURELY_READ = 0.5

Crop = NDArray[np.uint8]


class Lines(NamedTuple):
    texts: list[str]
    boxes: Annotated[NDArray[np.float32], Shape(-1, 4, 2)]
    scores: Annotated[NDArray[np.float32], Shape(-1)]


class Model:
    def __init__(self, context: ModelContext) -> None:
        self.classifier = context.models["ocr-classifier"]
        self.recogniser = context.models["ocr-recogniser"]
        characters = (context.folder / "characters.txt").read_text(encoding="utf-8").removesuffix("\n").split("\n")
        # The first class is none: it keeps two equal characters apart. The last is a space.
        self.characters = np.array(["", *characters, " "], dtype=object)

    def infer(
        self,
        scaled: Annotated[NDArray[np.uint8], Shape(-1, -1, 3)],
        placing: Annotated[NDArray[np.float32], Shape(5)],
        text_map: Annotated[NDArray[np.float32], Shape(1, 1, -1, -1)],
    ) -> Lines:
        boxes = find_boxes(text_map[0, 0], *scaled.shape[:2])
        crops = self._upright([_crop(scaled, box) for box in boxes])
        texts, scores = self._read(crops)
        sure = [index for index, score in enumerate(scores) if score >= SURELY_READ]
        return Lines(
            texts=[texts[index] for index in sure],
            boxes=_placed([boxes[index] for index in sure], placing),
            scores=np.array([scores[index] for index in sure], dtype=np.float32),
        )

    def _upright(self, crops: list[Crop]) -> list[Crop]:
        """The lines, those that stand on their heads turned."""
        if not crops:
            return []
        x = np.stack([_pixels(crop, TURNED_WIDTH) for crop in crops])
        (probabilities,) = self.classifier(x=x).values()
        turned = probabilities[:, 1] > SURELY_TURNED
        return [cv2.rotate(crop, cv2.ROTATE_180) if turn else crop for crop, turn in zip(crops, turned, strict=True)]

    def _read(self, crops: list[Crop]) -> tuple[list[str], list[float]]:
        """The text of each line, and the mean probability of its characters."""
        texts, scores = [""] * len(crops), [0.0] * len(crops)
        order = sorted(range(len(crops)), key=lambda index: _ratio(crops[index]))
        for start in range(0, len(order), TOGETHER):
            group = order[start : start + TOGETHER]
            width = int(HEIGHT * max(READ_WIDTH / HEIGHT, _ratio(crops[group[-1]])))
            (probabilities,) = self.recogniser(x=np.stack([_pixels(crops[index], width) for index in group])).values()
            for index, line in zip(group, probabilities, strict=True):
                texts[index], scores[index] = self._decode(line)
        return texts, scores

    def _decode(self, probabilities: NDArray[np.float32]) -> tuple[str, float]:
        """One line's text: the most likely character of each column, those that repeat the one before left out."""
        classes = probabilities.argmax(axis=1)
        kept = (classes != 0) & np.r_[True, classes[1:] != classes[:-1]]
        if not kept.any():
            return "", 0.0
        return "".join(self.characters[classes[kept]]), float(probabilities.max(axis=1)[kept].mean())


def _crop(image: Crop, box: Box) -> Crop:
    """What is in a box, made straight; lines that run downwards are turned to the left."""
    width = int(max(np.linalg.norm(box[0] - box[1]), np.linalg.norm(box[2] - box[3])))
    height = int(max(np.linalg.norm(box[0] - box[3]), np.linalg.norm(box[1] - box[2])))
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float32)
    matrix = cv2.getPerspectiveTransform(box, corners)
    crop = cv2.warpPerspective(image, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE, flags=cv2.INTER_CUBIC)
    return np.rot90(crop) if height / width >= 1.5 else crop


def _ratio(crop: Crop) -> float:
    return crop.shape[1] / crop.shape[0]


def _pixels(crop: Crop, width: int) -> NDArray[np.float32]:
    """A line as the models take it: 3 x 48 x `width`, from -1 to 1, padded with 0."""
    filled = min(width, math.ceil(HEIGHT * _ratio(crop)))
    resized = cv2.resize(crop, (filled, HEIGHT)).astype(np.float32)
    pixels = np.zeros((3, HEIGHT, width), dtype=np.float32)
    pixels[:, :, :filled] = (resized.transpose(2, 0, 1) / 255 - 0.5) / 0.5
    return pixels


def _placed(boxes: list[Box], placing: NDArray[np.float32]) -> NDArray[np.float32]:
    """The boxes in the pixels of the image as it came."""
    factor_x, factor_y, border, width, height = placing
    placed = (np.array(boxes, dtype=np.float32).reshape(-1, 4, 2) - [0, border]) * [factor_x, factor_y]
    return np.clip(placed, 0, [width, height]).astype(np.float32)
