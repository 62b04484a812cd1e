"""The user's ``def infer`` as an engine of the batcher."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

import numpy as np

from jubako.backends.base import ModelSpec
from jubako.backends.python.user_model import UserModel
from jubako.backends.tensor.engine import TensorEngine
from jubako.messages import Parameter
from jubako.tensors import Arrays, Signature


class PythonEngine(TensorEngine):
    """Calls ``infer`` in the batcher's thread, once for a batch or once for each of its rows."""

    def __init__(self, spec: ModelSpec, model: UserModel) -> None:
        super().__init__(spec)
        self._model = model
        self.takes_parameters = model.interface.parameters is not None
        self.asks_others = model.has_context

    def load(self) -> Signature:
        return self._model.signature

    def run(self, inputs: Arrays, wanted: frozenset[str], parameters: Mapping[str, Parameter]) -> Arrays:
        if not self._model.by_row:
            return self._answer(inputs, parameters)
        rows = len(next(iter(inputs.values())))
        return stack([self._answer(row(inputs, index), parameters) for index in range(rows)])

    def cost(self, inputs: Arrays) -> float:
        cost = self._model.hook("cost")
        if cost is None:
            raise NotImplementedError
        count = cast(Callable[..., float], cost)
        if not self._model.by_row:
            return count(**self._model.arguments(inputs, {}))
        rows = len(next(iter(inputs.values())))
        return sum(count(**self._model.arguments(row(inputs, index), {})) for index in range(rows))

    def _answer(self, inputs: Arrays, parameters: Mapping[str, Parameter]) -> Arrays:
        return self._model.outputs(self._model.call(inputs, parameters))


def row(inputs: Arrays, index: int) -> Arrays:
    """One row of each array, without the batch dimension."""
    return {name: array[index, ...] for name, array in inputs.items()}


def stack(answers: list[Arrays]) -> Arrays:
    """The answers to single rows as those to a batch."""
    return {name: np.stack([answer[name] for answer in answers]) for name in answers[0]}
