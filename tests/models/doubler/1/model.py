"""An async model, with the parameters of the request."""

import asyncio
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from jubako.model import Parameters, Shape

Values = Annotated[NDArray[np.float64], Shape(-1)]


class Model:
    async def infer(self, x: Values, parameters: Parameters) -> Annotated[Values, Shape(-1, name="y")]:
        await asyncio.sleep(float(parameters.get("wait_s", 0)))
        return 2 * x
