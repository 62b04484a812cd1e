"""What changes of models mean for a client."""

from __future__ import annotations

import pytest

from jubako.clientgen.comparison import Change, Verdict, compare
from jubako.routing.interface import ModelInterface
from jubako.tensors import TensorSpec
from tests.unit.clientgen.models import tensor, tensor_model, text_model

X, Y = tensor("x", "FP32", (-1, 3)), tensor("y", "FP32", (2,), labels=("cat", "dog"))


def model(*inputs: TensorSpec, outputs: tuple[TensorSpec, ...] = (Y,), batch: int = 0, decoupled: bool = False) -> ModelInterface:
    return tensor_model("m", list(inputs or (X,)), list(outputs), max_batch_size=batch, decoupled=decoupled)


def verdict(old: ModelInterface, new: ModelInterface) -> tuple[Verdict, list[Change]]:
    (found,) = compare([old], [new])
    return found.verdict, found.changes


TALK = text_model("m", "chat", "completion", served_names=("n",), versions=(1, 2), aliases={"stable": 1})


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        (
            TALK,
            text_model("m", "chat", served_names=("n",), versions=(1, 2), aliases={"stable": 1}),
            "The task completion is gone.",
        ),
        (TALK, text_model("m", "chat", "completion", versions=(1, 2), aliases={"stable": 1}), "The name 'n' is gone."),
        (
            TALK,
            text_model("m", "chat", "completion", served_names=("n",), versions=(2,), aliases={"stable": 2}),
            "Version 1 is gone.",
        ),
        (TALK, text_model("m", "chat", "completion", served_names=("n",), versions=(1, 2)), "The alias 'stable' is gone."),
        (model(X), model(X, tensor("z")), "The required input 'z' is new."),
        (model(X, tensor("z", optional=True)), model(X), "The input 'z' is gone."),
        (model(tensor("x", optional=True)), model(tensor("x")), "The input 'x' is required now."),
        (model(tensor("x")), model(tensor("x", "FP64")), "The input 'x' is FP64, not FP32."),
        (model(X), model(tensor("x", "FP32", (5, 3))), "The input 'x' has the shape [5, 3], not [-1, 3]."),
        (model(X), model(tensor("x", "FP32", (-1,))), "The input 'x' has the shape [-1], not [-1, 3]."),
        (model(X), model(X, outputs=(tensor("z"),)), "The output 'y' is gone."),
        (model(X), model(X, outputs=(tensor("y", "INT8", (2,), labels=("cat", "dog")),)), "The output 'y' is INT8, not FP32."),
        (
            model(X),
            model(X, outputs=(tensor("y", "FP32", (-1,), labels=("cat", "dog")),)),
            "The output 'y' has the shape [-1], not [2].",
        ),
        (
            model(X),
            model(X, outputs=(tensor("y", "FP32", (2,), labels=("dog", "cat")),)),
            "The output 'y' has other labels.",
        ),
        (model(X), model(X, batch=4), "Its tensors have a batch dimension now."),
        (model(X, batch=4), model(X), "Its tensors have no batch dimension now."),
        (model(X), model(X, decoupled=True), "A request has any number of answers now."),
    ],
)
def test_it_breaks(old: ModelInterface, new: ModelInterface, what: str) -> None:
    found, changes = verdict(old, new)
    assert found == "breaking"
    assert Change(True, what) in changes


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        (
            TALK,
            text_model(
                "m",
                "chat",
                "completion",
                "embedding",
                served_names=("n", "o"),
                versions=(1, 2, 3),
                aliases={"stable": 2, "next": 3},
            ),
            [
                "The name 'o' is new.",
                "Version 3 is new.",
                "The alias 'next' is new.",
                "The alias 'stable' means version 2, not 1.",
                "The task embedding is new.",
            ],
        ),
        (model(X), model(X, tensor("z", optional=True)), ["The optional input 'z' is new."]),
        (model(tensor("x")), model(tensor("x", optional=True)), ["The input 'x' is optional now."]),
        (model(tensor("x", "FP32", (5, 3))), model(X), ["The input 'x' has the shape [-1, 3], not [5, 3]."]),
        (model(X), model(X, outputs=(Y, tensor("z"))), ["The output 'z' is new."]),
        (
            model(X, outputs=(tensor("y", "FP32", (-1,)),)),
            model(X),
            ["The output 'y' has the shape [2], not [-1].", "The output 'y' has other labels."],
        ),
    ],
)
def test_it_is_compatible(old: ModelInterface, new: ModelInterface, changes: list[str]) -> None:
    assert verdict(old, new) == ("compatible", [Change(False, what) for what in changes])


def test_what_nobody_relies_on_is_no_change() -> None:
    assert verdict(model(X, batch=4), model(tensor("x", "FP32", (-1, 3), description="What it is."), batch=8)) == (
        "unchanged",
        [],
    )


def test_models_come_and_go() -> None:
    old, new = text_model("a", "chat"), text_model("b", "chat")
    assert [(each.model, each.verdict) for each in compare([old], [new])] == [("a", "breaking"), ("b", "compatible")]


def test_a_model_that_is_not_loaded_is_unknown() -> None:
    waiting = ModelInterface(name="m", tasks=["infer"], versions=[1], unknown="it is unloaded")
    assert verdict(model(X), waiting) == ("unknown", [Change(False, "Its tensors can't be known: it is unloaded")])
