"""What a model takes and gives, by its code and its entry."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from jubako.backends.base import ModelSpec
from jubako.backends.python.interface import complete_signature, read_interface
from jubako.backends.python.values import to_arrays
from jubako.errors import ConfigurationError
from jubako.model import Parameters, Shape
from jubako.tensors import Datatype, Signature, TensorSpec

Floats = Annotated[NDArray[np.float32], Shape(-1, 3)]


class Pair(NamedTuple):
    one: Floats
    two: list[str]


@dataclass
class Single:
    only: Annotated[NDArray[np.int8], Shape(2, name="the.only", description="one")]


def tensor(name: str, datatype: Datatype, *shape: int, optional: bool = False, description: str = "") -> TensorSpec:
    return TensorSpec(name=name, datatype=datatype, shape=list(shape), optional=optional, description=description)


def signature(infer: Callable[..., object], *, rows: int = 0, **said: Any) -> Signature:
    spec = ModelSpec(model="m", version=1, implementation="", tasks=["infer"], max_batch_size=rows, **said)
    return complete_signature(read_interface(infer), spec, joined=rows > 0)


def plain(x: Floats, y: str, z: Floats | None = None) -> Pair: ...  # type: ignore[empty-body]
def single(x: Annotated[NDArray[np.float32], Shape(4, datatype="BF16")]) -> Single: ...  # type: ignore[empty-body]
def bare(x, y): ...  # type: ignore[no-untyped-def]
def anything(**inputs: Any) -> dict[str, Any]: ...  # type: ignore[empty-body]
def texts(x: list[str]) -> list[str]: ...  # type: ignore[empty-body]
def streamed(x: str, parameters: Parameters) -> Iterator[str]:
    yield x


def test_the_annotations_are_enough() -> None:
    assert signature(plain) == Signature(
        inputs=[tensor("x", "FP32", -1, 3), tensor("y", "BYTES", 1), tensor("z", "FP32", -1, 3, optional=True)],
        outputs=[tensor("one", "FP32", -1, 3), tensor("two", "BYTES", -1)],
        platform="python",
    )


def test_names_datatypes_and_descriptions_that_python_has_no_words_for() -> None:
    found = signature(single)
    assert found.inputs == [tensor("x", "BF16", 4)]
    assert found.outputs == [tensor("the.only", "INT8", 2, description="one")]


def test_a_list_of_strings_is_one_for_each_row() -> None:
    assert signature(texts).inputs == [tensor("x", "BYTES", -1)]
    assert signature(texts, rows=4).inputs == [tensor("x", "BYTES", 1)]


def test_a_generator_is_decoupled() -> None:
    assert signature(streamed).decoupled
    assert read_interface(streamed).parameters == "parameters"


def test_the_entry_is_enough() -> None:
    inputs, outputs = [tensor("x", "FP32", 2), tensor("y", "INT8", 1)], [tensor("z", "BOOL", -1)]
    for infer in (bare, anything):
        found = signature(infer, inputs=inputs, outputs=outputs)
        assert (found.inputs, found.outputs) == (inputs, outputs)


def test_the_entry_may_fix_what_the_code_leaves_free() -> None:
    assert signature(plain, inputs=[tensor("x", "FP32", 7, 3)]).inputs[0].shape == [7, 3]


@pytest.mark.parametrize(
    ("infer", "said", "message"),
    [
        (plain, [tensor("w", "FP32", 1)], "has the input 'w', but infer takes no argument of that name"),
        (plain, [tensor("x", "FP64", -1, 3)], "'x' is FP64, but infer is annotated with FP32"),
        (plain, [tensor("x", "FP32", -1, 4)], r"has the shape \[-1, 4\], but infer is annotated with \[-1, 3\]"),
        (plain, [tensor("x", "FP32", -1, 3, optional=True)], "'x' is optional: give the argument of infer a default"),
        (plain, [tensor("y", "BYTES", 2)], r"has the shape \[2\], but infer is annotated with text"),
        (bare, [tensor("x", "FP32", 1)], "The datatype of the input 'y' is not known"),
    ],
)
def test_what_the_code_and_the_entry_disagree_on(infer: Callable[..., object], said: list[TensorSpec], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        signature(infer, inputs=said, outputs=[tensor("one", "FP32", -1, 3)])


def test_values_become_what_was_promised() -> None:
    outputs = [tensor("score", "FP32", 1), tensor("label", "BYTES", 1), tensor("count", "INT32", 2)]
    found = to_arrays({"score": [0.5, 1], "label": ["a", "b"], "count": [[1, 2], [3, 4]]}, outputs, joined=True)
    assert {name: (array.dtype.kind, array.shape) for name, array in found.items()} == {
        "score": ("f", (2, 1)),
        "label": ("O", (2, 1)),
        "count": ("i", (2, 2)),
    }
    assert found["score"].dtype == np.float32


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"counts": [[1]]}, "infer returned 'counts'; the model's outputs are count"),
        ({"count": [[1.5]]}, "'count' is float64, which does not become INT32 by itself"),
    ],
)
def test_values_that_were_not_promised(answer: object, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        to_arrays(answer, [tensor("count", "INT32", 1)], joined=True)
