"""What the code of a model may import: see docs/python-models.md.

::

    class Model:
        def infer(self, x: Annotated[NDArray[np.float32], Shape(4)]) -> Annotated[NDArray[np.float32], Shape(4)]:
            return 2 * x
"""

from jubako.backends.python.annotations import Parameters, Shape
from jubako.backends.python.calls import Models, OtherModel
from jubako.backends.python.context import ModelContext
from jubako.errors import ConfigurationError, InvalidRequest, JubakoError, Overloaded, Unsupported

__all__ = [
    "ConfigurationError",
    "InvalidRequest",
    "JubakoError",
    "ModelContext",
    "Models",
    "OtherModel",
    "Overloaded",
    "Parameters",
    "Shape",
    "Unsupported",
]
