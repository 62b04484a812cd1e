"""Calls of other models in async code."""

import asyncio
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from jubako.model import ModelContext, Shape

Values = Annotated[NDArray[np.float64], Shape(-1)]


class Model:
    def __init__(self, context: ModelContext) -> None:
        self.models = context.models

    async def infer(self, x: Values) -> Values:
        doubler = self.models["doubler"]
        answers = await asyncio.gather(
            *(doubler.infer_async({"x": part}, parameters={"wait_s": 0.01}) for part in x.reshape(-1, 1))
        )
        streamed = self.models["async-repeater"].stream_async({"text": ["hi"], "times": np.array([2], np.int32)})
        count = len([answer async for answer in streamed])
        return np.concatenate([*(answer["y"] for answer in answers), [count]])
