"""The least that a model can be."""

from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from jubako.model import Shape

Row = Annotated[NDArray[np.float32], Shape(16)]


class Model:
    def infer(self, x: Row) -> Row:
        return x
