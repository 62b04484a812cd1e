"""An optional input."""

from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from jubako.model import InvalidRequest, Shape

Values = Annotated[NDArray[np.float64], Shape(-1)]


class Model:
    def infer(self, a: Values, b: Values | None = None) -> Annotated[Values, Shape(-1, name="sum")]:
        if a.size and a[0] < 0:
            raise InvalidRequest("It adds no negative numbers.", param="a")
        return a if b is None else a + b
