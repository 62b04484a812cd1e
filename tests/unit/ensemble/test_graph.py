"""What is wrong with an ensemble is said before it is served."""

from __future__ import annotations

import pytest

from jubako.backends.base import ModelSpec
from jubako.backends.ensemble.agreement import complete_signature
from jubako.backends.ensemble.graph import Graph
from jubako.backends.ensemble.params import EnsembleStep
from jubako.errors import ConfigurationError
from jubako.tensors import Datatype, Signature, TensorSpec


def step(model: str, inputs: dict[str, str], outputs: dict[str, str]) -> EnsembleStep:
    return EnsembleStep(model=model, inputs=inputs, outputs=outputs)


def tensor(name: str, datatype: Datatype = "FP32", *shape: int, optional: bool = False) -> TensorSpec:
    return TensorSpec(name=name, datatype=datatype, shape=list(shape), optional=optional)


def member(given: TensorSpec, taken: TensorSpec, *, rows: int = 8, decoupled: bool = False) -> Signature:
    return Signature(inputs=[taken], outputs=[given], max_batch_size=rows, decoupled=decoupled)


FIRST = step("first", {"x": "image"}, {"y": "features"})
SECOND = step("second", {"x": "features"}, {"y": "label"})
SAME = member(tensor("y", "FP32", 4), tensor("x", "FP32", 4))


def signature(*members: Signature, spec: ModelSpec | None = None) -> Signature:
    spec = spec or ModelSpec(model="both", version=1, implementation="", tasks=["infer"])
    graph = Graph([FIRST, SECOND], [each.name for each in spec.inputs], [each.name for each in spec.outputs])
    return complete_signature(graph, dict(zip(graph.steps, members, strict=True)), spec)


def entry(
    *, inputs: list[TensorSpec] | None = None, outputs: list[TensorSpec] | None = None, rows: int | None = None
) -> ModelSpec:
    return ModelSpec(
        model="both",
        version=1,
        implementation="",
        tasks=["infer"],
        inputs=inputs or [],
        outputs=outputs or [],
        max_batch_size=rows,
    )


def test_steps_come_after_those_they_need() -> None:
    graph = Graph([SECOND, FIRST], [], [])
    assert [each.model for each in graph.steps] == ["first", "second"]
    assert (graph.inputs, graph.outputs) == (["image"], ["label"])


def test_only_what_an_output_needs_is_computed() -> None:
    graph = Graph([FIRST, SECOND], [], ["features", "label"])
    assert {each.model for each in graph.needed_for(["features"])} == {"first"}
    assert {each.model for each in graph.needed_for(["label"])} == {"first", "second"}
    assert {each.model for each in graph.after(graph.steps[0])} == {"second"}


@pytest.mark.parametrize(
    ("steps", "inputs", "outputs", "message"),
    [
        ([FIRST, SECOND], ["image"], ["labels"], "The output 'labels' of the ensemble comes from no step. Did you mean `label`?"),
        ([FIRST, SECOND], ["picture"], [], "takes the tensor 'image', which is no input"),
        ([FIRST, SECOND], ["image", "mask"], [], "The input 'mask' of the ensemble is taken by no step"),
        ([FIRST, FIRST], [], [], r"'features' is given by step 1 \(first\) and by step 2 \(first\)"),
        ([FIRST], ["image", "features"], [], "is an input of the ensemble and an output of step 1"),
        (
            [step("a", {"x": "one", "i": "in"}, {"y": "two"}), step("b", {"x": "two"}, {"y": "one"})],
            ["in"],
            ["two"],
            r"These steps need each other's outputs.*step 1 \(a\), step 2 \(b\)",
        ),
    ],
)
def test_a_graph_that_is_none(steps: list[EnsembleStep], inputs: list[str], outputs: list[str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Graph(steps, inputs, outputs)


def test_the_members_say_what_the_entry_does_not() -> None:
    assert signature(SAME, SAME) == Signature(
        inputs=[tensor("image", "FP32", 4)], outputs=[tensor("label", "FP32", 4)], max_batch_size=8, platform="ensemble"
    )


def test_a_member_without_a_batch_dimension_leaves_the_ensemble_without_one() -> None:
    whole = member(tensor("y", "FP32", -1, 4), tensor("x", "FP32", -1, 4), rows=0)
    assert signature(whole, SAME).max_batch_size == 0
    assert signature(whole, SAME).outputs[0].shape == [-1, 4]


def test_an_input_is_an_image_where_the_member_says_so_and_the_batch_dimension_stays() -> None:
    image = TensorSpec(name="x", datatype="UINT8", shape=[-1, -1, 3], content="image")
    rows = member(tensor("y", "FP32", 4), image)
    (taken,) = signature(rows, SAME).inputs
    assert (taken.name, taken.shape, taken.content) == ("image", [-1, -1, 3], "image")
    whole = member(tensor("y", "FP32", 4), tensor("x", "FP32", -1, 4), rows=0)
    (taken,) = signature(rows, whole).inputs
    assert (taken.shape, taken.content) == ([-1, -1, -1, 3], None)


def test_an_input_is_optional_where_all_who_take_it_can_do_without() -> None:
    assert signature(member(tensor("y", "FP32", 4), tensor("x", "FP32", 4, optional=True)), SAME).inputs[0].optional


@pytest.mark.parametrize(
    ("first", "second", "spec", "message"),
    [
        (SAME, member(tensor("y"), tensor("x", "INT32", 4)), None, r"'features' disagree: 'y' of step 1 .* FP32 \[-1, 4\]"),
        (SAME, member(tensor("y"), tensor("x", "FP32", 5)), None, r"'features' disagree"),
        (SAME, member(tensor("y"), tensor("z", "FP32", 4)), None, r"The model of step 2 \(second\) has no input 'x'"),
        (SAME, SAME, entry(rows=9), r"takes 9 rows .* but the model of step 1 \(first\) takes 8"),
        (SAME, SAME, entry(inputs=[tensor("image", "FP32", 3)]), "'image' disagree: the entry says"),
        (SAME, SAME, entry(inputs=[tensor("image", "FP32", 4, optional=True)]), "'image' is said to be optional"),
        (
            member(tensor("y", "FP32", 4), tensor("x", "FP32", 4), decoupled=True),
            member(tensor("y", "FP32", 4), tensor("x", "FP32", 4), decoupled=True),
            None,
            "Only one step of an ensemble may give any number of answers",
        ),
    ],
)
def test_members_that_do_not_fit(first: Signature, second: Signature, spec: ModelSpec | None, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        signature(first, second, spec=spec)


def test_a_member_that_needs_more_than_its_step_names() -> None:
    needy = Signature(
        inputs=[tensor("x", "FP32", 4), tensor("mask", "FP32", 4)], outputs=[tensor("y", "FP32", 4)], max_batch_size=8
    )
    with pytest.raises(ConfigurationError, match=r"The model of step 1 \(first\) needs the input 'mask'"):
        signature(needy, SAME)
