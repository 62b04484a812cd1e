"""A batch as a list of strings, and a dataclass as the answer."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from jubako.model import Shape


@dataclass
class Answer:
    lengths: Annotated[NDArray[np.int64], Shape(1)]
    batch: Annotated[NDArray[np.int32], Shape(1)]
    reversed: list[str]


class Model:
    def infer(self, text: list[str]) -> Answer:
        rows = len(text)
        return Answer(np.array([len(each) for each in text]), np.full(rows, rows, np.int32), [each[::-1] for each in text])
