"""Graphs of other models, served: the ensembles of `tests/models/`."""

from __future__ import annotations

import time
from typing import Any

import httpx
import numpy as np
import pytest
from tritonclient.utils import InferenceServerException

from tests.integration.asking import ask, streaming, text
from tests.serving import Server


def test_branches_meet_again(models: Server) -> None:
    assert ask(models, "diamond", x=np.array([1.0, 2.5]))["four"].tolist() == [4.0, 10.0]


def test_branches_run_at_the_same_time(models: Server) -> None:
    begun = time.monotonic()
    ask(models, "slow-pair", parameters={"wait_s": 0.5}, x=np.array([1.0]))
    assert time.monotonic() - begun >= 1.0, "each of the two waits"
    begun = time.monotonic()
    ask(models, "diamond", parameters={"wait_s": 4.0}, x=np.array([1.0]))
    assert time.monotonic() - begun < 8.0


def test_the_signature_comes_from_the_members(models: Server) -> None:
    shown = httpx.get(f"{models.url}/v2/models/optional-sum").json()
    assert shown["platform"] == "ensemble"
    assert shown["inputs"] == [
        {"name": "one", "datatype": "FP64", "shape": [-1]},
        {"name": "two", "datatype": "FP64", "shape": [-1]},
    ]
    assert shown["outputs"] == [{"name": "result", "datatype": "FP64", "shape": [-1]}]


def test_an_input_may_be_left_out_where_the_members_can_do_without(models: Server) -> None:
    assert ask(models, "optional-sum", one=np.array([1.0]), two=np.array([2.0]))["result"].tolist() == [6.0]
    assert ask(models, "optional-sum", one=np.array([1.0]))["result"].tolist() == [2.0]
    with pytest.raises(InferenceServerException, match="needs the input 'one'"):
        ask(models, "optional-sum", two=np.array([1.0]))


def test_an_error_names_the_step(models: Server) -> None:
    with pytest.raises(InferenceServerException) as caught:
        ask(models, "optional-sum", one=np.array([-1.0]))
    assert caught.value.status() == "400"
    assert str(caught.value).endswith("Step 1 (adder): It adds no negative numbers.")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.array([1.0], np.float32)}, "FP64"),
        ({"x": np.ones((1, 1))}, r"\[-1\]"),
        ({"y": np.array([1.0])}, "no input 'y'"),
    ],
)
def test_requests_are_checked_before_any_step(models: Server, arrays: dict[str, Any], message: str) -> None:
    with pytest.raises(InferenceServerException, match=message) as caught:
        ask(models, "diamond", **arrays)
    assert "Step" not in str(caught.value)


def test_each_answer_of_a_decoupled_step_goes_on(models: Server) -> None:
    with streaming(models, "telling", text=text("hi"), times=np.array([3], np.int32)) as stream:
        answers = list(stream)
    assert [answer["said"].tolist() for answer in answers] == [[b"hi"]] * 3


def test_an_error_after_a_decoupled_step_names_its_step(models: Server) -> None:
    said = r"Step 2 \(failing\): This is not what the model answers."
    with (
        streaming(models, "telling", text=text("refuse"), times=np.array([3], np.int32)) as stream,
        pytest.raises(InferenceServerException, match=said),
    ):
        stream.next()


def test_a_client_that_leaves_ends_the_work_of_the_members(models: Server) -> None:
    with streaming(models, "telling", text=text("hi"), times=np.array([-1], np.int32)) as stream:
        assert stream.next() is not None

    def alone() -> bool:
        with streaming(models, "async-repeater", text=text("hi"), times=np.array([1], np.int32)) as stream:
            answer = stream.next()
        return answer is not None and answer["running"].tolist() == [1]

    models.wait_until(alone)


def test_its_requests_are_counted(models: Server) -> None:
    ask(models, "diamond", x=np.array([1.0]))
    shown = httpx.get(f"{models.url}/v2/models/diamond/stats").json()["model_stats"][0]
    assert shown["inference_stats"]["success"]["count"] >= 1
    assert shown["inference_stats"]["success"]["ns"] > 0
