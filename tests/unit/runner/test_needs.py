"""Models as a graph of what they need."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jubako.backends.base import ModelSpec
from jubako.runner.deployment import Deployment, Plan, Report
from jubako.runner.needs import Needs


def plan(model: str, *needs: str, served_names: tuple[str, ...] = ()) -> Plan:
    def specify(report: Report) -> ModelSpec:
        raise AssertionError("nobody runs it")

    deployment = Deployment(
        model=model, version=1, backend="echo", tasks=["chat"], specify=specify, served_names=[model, *served_names]
    )
    return Plan(model=model, deployments=[deployment], needs=list(needs))


def graph(*plans: Plan) -> Needs:
    needs = Needs()
    for each in plans:
        needs.note(each)
    return needs


def test_names_are_those_of_entries() -> None:
    needs = graph(plan("a", "b", "Org/B:1", "c:2", "new", "new:3", "x:y"), plan("b", served_names=("Org/B",)), plan("c"))
    assert needs.of("a") == ["b", "c", "new", "x:y"]
    assert needs.of("unknown") == []
    assert needs.dependents("b") == ["a"]


@pytest.mark.parametrize(
    ("edges", "circle"),
    [
        ({"a": "b", "b": "c", "c": ""}, []),
        ({"a": "a"}, ["a", "a"]),
        ({"a": "b", "b": "a"}, ["a", "b", "a"]),
        ({"a": "bc", "b": "d", "c": "d", "d": ""}, []),
        ({"a": "b", "b": "c", "c": "b"}, []),
        ({"a": "bd", "b": "c", "c": "a", "d": "a"}, ["a", "d", "a"]),
    ],
)
def test_a_circle_is_found_by_the_shortest_way(edges: dict[str, str], circle: list[str]) -> None:
    assert graph(*(plan(model, *needed) for model, needed in edges.items())).circle("a") == circle


@given(st.dictionaries(st.sampled_from("abcde"), st.lists(st.sampled_from("abcde"), max_size=4)))
def test_every_circle_that_is_found_is_one_and_none_is_missed(edges: dict[str, list[str]]) -> None:
    needs = graph(*(plan(model, *needed) for model, needed in edges.items()))
    reached = set(edges.get("a", []))
    for _ in "abcde":
        reached |= {needed for model in reached for needed in edges.get(model, [])}
    circle = needs.circle("a")
    assert bool(circle) == ("a" in reached)
    assert all(there in edges[here] for here, there in pairwise(circle))


def test_what_is_noted_last_holds() -> None:
    needs = graph(plan("a", "b"), plan("b", "a"), plan("b"))
    assert needs.circle("a") == []
    assert needs.dependents("a") == []
    needs.note(plan("b", "a"))
    needs.forget("b")
    assert needs.of("a") == ["b"]
    assert needs.circle("a") == []
