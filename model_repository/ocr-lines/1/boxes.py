"""From the detector's map of text to boxes around lines.

The method is that of "Real-time Scene Text Detection with Differentiable Binarization" (https://arxiv.org/abs/1911.08947):
regions of the map above a threshold are shrunken lines, and are grown again by an amount that depends on their area and outline.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import pyclipper
from numpy.typing import NDArray

THRESHOLD = 0.3
"""Pixels of the map above this are text."""

LEAST_SCORE = 0.5
"""Regions whose mean is below this are none."""

GROWTH = 1.6
SMALLEST = 3
MOST = 1000
SAME_LINE = 10
"""Boxes whose tops differ by fewer pixels stand beside each other."""

Box = NDArray[np.float32]
"""Four corners, x and y, clockwise from the top left."""


def find_boxes(text_map: NDArray[np.float32], height: int, width: int) -> list[Box]:
    """The boxes in an image of `height` and `width`, in the order in which people read."""
    boxes = [_clipped(box, height, width) for box in _regions(text_map, height, width)]
    return _in_reading_order([box for box in boxes if min(_sides(box)) > SMALLEST])


def _regions(text_map: NDArray[np.float32], height: int, width: int) -> Iterator[Box]:
    mask = cv2.dilate((text_map > THRESHOLD).astype(np.uint8), np.ones((2, 2), np.uint8))
    contours, _ = cv2.findContours(mask * 255, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    scale = np.array([width / text_map.shape[1], height / text_map.shape[0]])
    for contour in contours[:MOST]:
        corners, side = _smallest_rectangle(contour)
        if side < SMALLEST or _mean_inside(text_map, corners) < LEAST_SCORE:
            continue
        corners, side = _smallest_rectangle(_grown(corners))
        if side >= SMALLEST + 2:
            yield np.clip(np.round(corners * scale), 0, [width, height])


def _smallest_rectangle(points: NDArray[np.generic]) -> tuple[Box, float]:
    """The corners of the smallest rectangle around points, turned as they are, and its shorter side."""
    rectangle = cv2.minAreaRect(points)
    return _clockwise(cv2.boxPoints(rectangle)), min(rectangle[1])


def _clockwise(corners: Box) -> Box:
    """The corners from the top left on: the two on the left and the two on the right, each pair by height."""
    by_x = corners[np.argsort(corners[:, 0], kind="stable")]
    left, right = (pair[np.argsort(pair[:, 1], kind="stable")] for pair in (by_x[:2], by_x[2:]))
    return np.array([left[0], right[0], right[1], left[1]], dtype=np.float32)


def _mean_inside(text_map: NDArray[np.float32], corners: Box) -> float:
    height, width = text_map.shape
    left, top = np.clip(np.floor(corners.min(axis=0)), 0, [width - 1, height - 1]).astype(int)
    right, bottom = np.clip(np.ceil(corners.max(axis=0)), 0, [width - 1, height - 1]).astype(int)
    mask = np.zeros((bottom - top + 1, right - left + 1), np.uint8)
    cv2.fillPoly(mask, [(corners - [left, top]).astype(np.int32)], 1)
    return float(cv2.mean(text_map[top : bottom + 1, left : right + 1], mask)[0])


def _grown(corners: Box) -> NDArray[np.int32]:
    distance = cv2.contourArea(corners) * GROWTH / cv2.arcLength(corners, True)
    offset = pyclipper.PyclipperOffset()
    offset.AddPath(corners, pyclipper.JT_ROUND, pyclipper.ET_CLOSEDPOLYGON)
    return np.array(offset.Execute(distance)[0], dtype=np.int32).reshape(-1, 1, 2)


def _clipped(corners: Box, height: int, width: int) -> Box:
    return np.floor(np.clip(_clockwise(corners), 0, [width - 1, height - 1])).astype(np.float32)


def _sides(box: Box) -> tuple[int, int]:
    return int(np.linalg.norm(box[0] - box[1])), int(np.linalg.norm(box[0] - box[3]))


def _in_reading_order(boxes: list[Box]) -> list[Box]:
    """From top to bottom; neighbours of nearly the same height from left to right."""
    ordered = sorted(boxes, key=lambda box: (box[0][1], box[0][0]))
    for end in range(1, len(ordered)):
        for place in range(end, 0, -1):
            before, after = ordered[place - 1], ordered[place]
            if abs(after[0][1] - before[0][1]) >= SAME_LINE or after[0][0] >= before[0][0]:
                break
            ordered[place - 1], ordered[place] = after, before
    return ordered
