"""Calls of other models out of a thread."""

from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from jubako.model import JubakoError, ModelContext, Shape


class Model:
    def __init__(self, context: ModelContext) -> None:
        self.models = context.models

    def infer(self, what: str, number: Annotated[NDArray[np.float64], Shape(1)]) -> str:
        match what:
            case "twice":
                return f"{self.models['doubler'](x=number)['y'][0]:g}"
            case "version":
                return f"{self.models['doubler:1'].infer({'x': number}, outputs=['y'])['y'][0]:g}"
            case "stream":
                answers = self.models["repeater"].stream({"text": ["hi"], "times": np.array([3], np.int32)})
                return " ".join(str(answer["number"][0]) for answer in answers)
            case "stop":
                for answer in self.models["repeater"].stream({"text": ["hi"], "times": np.array([-1], np.int32)}):
                    if answer["number"][0] == 2:
                        return "stopped"
        try:
            self.models[what](how=np.array(["refuse"], object))
        except JubakoError as error:
            return f"{type(error).__name__}: {error.message}"
        return "nothing"
