"""A decoupled model in async code."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jubako.model import Shape

Number = Annotated[NDArray[np.int32], Shape(1)]


class Answer(NamedTuple):
    text: str
    running: Number


class Model:
    def __init__(self) -> None:
        self.running = 0

    async def infer(
        self, text: str, times: Number, delay_ms: Annotated[NDArray[np.float32], Shape(1)] | None = None
    ) -> AsyncIterator[Answer]:
        delay_s = 0.0 if delay_ms is None else float(delay_ms[0]) / 1000
        self.running += 1
        try:
            number = 0
            while number != times[0]:
                await asyncio.sleep(delay_s)
                yield Answer(text, np.array([self.running], dtype=np.int32))
                number += 1
        finally:
            self.running -= 1
