"""One scikit-learn estimator, or pipeline of them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import get_args

import msgspec
import threadpoolctl

from jubako.backends.processors import spare_processors
from jubako.backends.sklearn.params import Method as MethodName
from jubako.backends.sklearn.params import SklearnParams
from jubako.backends.sklearn.reading import Method, read_estimator
from jubako.backends.sklearn.signature import as_rows, file_signature, input_of, to_dense
from jubako.backends.tensor.completion import complete
from jubako.backends.tensor.engine import TensorEngine
from jubako.errors import ConfigurationError, InvalidRequest
from jubako.messages import Parameter
from jubako.tensors import Arrays, Signature

_USUAL: tuple[MethodName, ...] = ("predict", "predict_proba", "transform")


class SklearnEngine(TensorEngine):
    """The engine of the backend ``sklearn``."""

    _methods: dict[str, Method]

    def load(self) -> Signature:
        params = msgspec.convert(self.spec.params, SklearnParams)
        threadpoolctl.threadpool_limits(params.threads or spare_processors())
        # Rows come without the names of features, whether the model was fitted with them or not.
        warnings.filterwarnings("ignore", message="X does not have valid feature names", category=UserWarning)
        estimator = read_estimator(self.spec, params)
        self._methods = _methods(estimator, params)
        taken = input_of(estimator, self.spec)
        self._input = taken.name
        return complete(self.spec, file_signature(taken, self._methods, estimator))

    def run(self, inputs: Arrays, wanted: frozenset[str], parameters: Mapping[str, Parameter]) -> Arrays:
        try:
            rows = as_rows(inputs[self._input])
            return {name: to_dense(method(rows)) for name, method in self._methods.items() if name in wanted}
        except (ValueError, UnicodeDecodeError) as error:
            raise InvalidRequest(f"The model {self.spec.model!r} can't compute this input: {error}", param=self._input) from error


def _methods(estimator: object, params: SklearnParams) -> dict[str, Method]:
    """
    Raises:
        ConfigurationError: the estimator lacks a method, or has none.
    """
    kind = type(estimator).__name__
    has = [name for name in get_args(MethodName) if callable(getattr(estimator, name, None))]
    if missing := [name for name in params.methods or [] if name not in has]:
        raise ConfigurationError(f"A {kind} has no method {missing[0]!r}. It has: {', '.join(has) or 'none that can be served'}.")
    names = params.methods or [name for name in has if name in _USUAL] or has
    if not names:
        raise ConfigurationError(f"The file holds a {kind}, which has none of the methods {', '.join(get_args(MethodName))}.")
    return {name: getattr(estimator, name) for name in names}
