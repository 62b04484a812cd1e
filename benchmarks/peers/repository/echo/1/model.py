"""The identity."""

from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from jubako.model import Shape


class Model:
    def infer(
        self, rows: Annotated[NDArray[np.float32], Shape(-1, 16, name="INPUT0")]
    ) -> Annotated[NDArray[np.float32], Shape(-1, 16, name="OUTPUT0")]:
        return rows
