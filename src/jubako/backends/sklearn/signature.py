"""What a scikit-learn estimator takes and gives, found out by asking it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import numpy as np

from jubako.backends.base import ModelSpec
from jubako.backends.sklearn.reading import Method
from jubako.backends.tensor.completion import FileSignature
from jubako.errors import ConfigurationError
from jubako.tensors import Array, TensorSpec, datatype_of, dtype_of

PLATFORM = "sklearn"
INPUT = "input"
"""The name of the input, if the entry gives it no other."""

_TRIAL_ROWS = 2
_BY_CLASS = ("predict_proba", "predict_log_proba", "decision_function")


def input_of(estimator: object, spec: ModelSpec) -> TensorSpec:
    """The one input, with its whole shape: rows of features, or of text.

    Raises:
        ConfigurationError: the entry names several, or one that the estimator can't take.
    """
    if len(spec.inputs) > 1:
        raise ConfigurationError(f"A scikit-learn model takes one input, of all features; model.yaml names {len(spec.inputs)}.")
    features: int | None = getattr(estimator, "n_features_in_", None)
    entry = spec.inputs[0] if spec.inputs else None
    if entry and entry.datatype not in ("FP32", "FP64", "INT32", "INT64", "BYTES"):
        raise ConfigurationError(
            f"The input {entry.name!r} has the datatype {entry.datatype}; a scikit-learn model takes FP64, FP32, INT64, INT32, "
            "or BYTES for text."
        )
    if entry is None and features is None:
        raise ConfigurationError(
            "The model does not say what it takes. Write `inputs` in model.yaml, for a model of text as "
            "`[{name: text, datatype: BYTES, shape: [1]}]`, and `max_batch_size`."
        )
    datatype = entry.datatype if entry else "FP64"
    if features is None:
        assert entry is not None
        return TensorSpec(
            name=entry.name, datatype=datatype, shape=[-1, *(entry.shape if spec.max_batch_size else entry.shape[1:])]
        )
    return TensorSpec(name=entry.name if entry else INPUT, datatype=datatype, shape=[-1, features])


def file_signature(taken: TensorSpec, methods: Mapping[str, Method], estimator: object) -> FileSignature:
    """The whole signature, from what the methods give for rows of zeros.

    Raises:
        ConfigurationError: the model can't compute those.
    """
    return FileSignature(
        inputs=[taken],
        outputs=[_output(name, _trial(name, method, taken), estimator) for name, method in methods.items()],
        platform=PLATFORM,
    )


def as_rows(array: Array) -> Array:
    """An input as estimators take it: text as a flat list of `str`, anything else as it is."""
    if array.dtype != object:
        return array
    text = np.empty(array.size, dtype=object)
    text[:] = [element.decode() if isinstance(element, bytes) else str(element) for element in array.ravel().tolist()]
    return text


def _trial(name: str, method: Method, taken: TensorSpec) -> Array:
    shape = [_TRIAL_ROWS, *(max(size, 1) for size in taken.shape[1:])]
    rows = np.full(shape, b"text" if taken.datatype == "BYTES" else 0, dtype=dtype_of(taken.datatype))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return to_dense(method(as_rows(rows)))
    except Exception as error:  # whatever the estimator, which may be anybody's, raises
        raise ConfigurationError(f"The model's method {name!r} fails for an input of zeros: {error}") from error


def to_dense(given: Array) -> Array:
    """What a method gave as an array; some transformers give sparse matrices."""
    toarray = getattr(given, "toarray", None)
    return np.asarray(toarray() if toarray else given)


def _output(name: str, given: Array, estimator: object) -> TensorSpec:
    labels: list[str] = []
    classes = getattr(estimator, "classes_", None)
    if name in _BY_CLASS and classes is not None and given.shape[-1] == len(classes):
        labels = [str(each) for each in classes]
    return TensorSpec(name=name, datatype=datatype_of(given), shape=[-1, *given.shape[1:]], labels=labels)
