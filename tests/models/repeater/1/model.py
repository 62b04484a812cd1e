"""A decoupled model: any number of answers to a request."""

import time
from collections.abc import Iterator
from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jubako.model import Shape


class Answer(NamedTuple):
    text: Annotated[str, Shape(1)]
    number: Annotated[NDArray[np.int32], Shape(1)]


class Model:
    def infer(
        self,
        text: str,
        times: Annotated[NDArray[np.int32], Shape(1)],
        delay_ms: Annotated[NDArray[np.float32], Shape(1)] | None = None,
    ) -> Iterator[Answer]:
        delay_s = 0.0 if delay_ms is None else float(delay_ms[0]) / 1000
        number = 0
        while number != times[0]:
            time.sleep(delay_s)
            yield Answer(text, np.array([number], dtype=np.int32))
            number += 1
