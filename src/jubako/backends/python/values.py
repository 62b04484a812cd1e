"""Arrays as ``infer`` takes them, and what it returns as arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass

import numpy as np

from jubako.backends.python.annotations import Text
from jubako.tensors import Array, Arrays, TensorSpec, dtype_of


def to_argument(array: Array, text: Text | None) -> object:
    """The array itself, or its text. Bytes that are no UTF-8 become U+FFFD, so that one caller can't spoil a batch for others."""
    if text is None:
        return array
    strings = [element.decode(errors="replace") for element in array.reshape(-1).tolist()]
    return strings if text == "list" else strings[0]


def to_arrays(answer: object, outputs: Sequence[TensorSpec], *, joined: bool) -> Arrays:
    """What ``infer`` returned, by the names of the outputs, each with the datatype that the signature promises.

    Args:
        answer: One value where there is one output, else a mapping, a NamedTuple or a dataclass by the names of the outputs. None
            is an output that is not given.
        joined: Whether the values have a batch dimension. One that lacks a last dimension of 1 is given it.

    Raises:
        TypeError: it is none of that, or has a value that can't become its output's datatype without loss of kind.
    """
    specs = {spec.name: spec for spec in outputs}
    named = _by_name(answer)
    if named is None:
        if len(outputs) != 1:
            raise TypeError(f"infer returned {type(answer).__name__}; return a dict with the outputs {', '.join(specs)}.")
        named = {outputs[0].name: answer}
    if unknown := named.keys() - specs.keys():
        raise TypeError(f"infer returned {', '.join(map(repr, sorted(unknown)))}; the model's outputs are {', '.join(specs)}.")
    return {name: to_array(value, specs[name], joined=joined) for name, value in named.items() if value is not None}


def to_array(value: object, spec: TensorSpec, *, joined: bool) -> Array:
    """One value as the array that `spec` promises."""
    dtype = dtype_of(spec.datatype)
    array: Array = np.asarray(value, dtype=object) if spec.datatype == "BYTES" else np.asarray(value)
    if array.dtype != dtype:
        if array.size and not np.can_cast(array.dtype, dtype, "same_kind"):
            raise TypeError(f"The output {spec.name!r} is {array.dtype}, which does not become {spec.datatype} by itself.")
        array = array.astype(dtype)
    if spec.shape[-1:] == [1] and array.ndim == len(spec.shape) - 1 + joined:
        array = array[..., np.newaxis]
    return array


def _by_name(answer: object) -> dict[str, object] | None:
    if isinstance(answer, Mapping):
        return dict(answer)
    if is_dataclass(answer) and not isinstance(answer, type):
        return {each.name: getattr(answer, each.name) for each in fields(answer)}
    if isinstance(answer, tuple) and hasattr(answer, "_asdict"):
        return dict(answer._asdict())
    return None
