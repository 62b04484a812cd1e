"""Models written for Triton's Python backend, as its documentation shows: `tests/triton_models/`, served as they are."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from tritonclient.utils import InferenceServerException

from tests.integration.asking import ask, streaming, text
from tests.serving import Server


@pytest.fixture(scope="module")
def triton_models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(Path(__file__).parents[1] / "triton_models", tmp_path_factory.mktemp("triton") / "server.log", {}) as running:
        yield running


def rows(*values: float) -> Any:
    return np.array([values], np.float32)


def test_execute_answers_each_request(triton_models: Server) -> None:
    answer = ask(triton_models, "add_sub", INPUT0=rows(1, 2, 3, 4), INPUT1=rows(1, 1, 1, 1))
    assert {name: array.tolist() for name, array in answer.items()} == {
        "OUTPUT0": [[2.0, 3.0, 4.0, 5.0]],
        "OUTPUT1": [[0.0, 1.0, 2.0, 3.0]],
    }


def test_only_the_outputs_that_were_asked_for(triton_models: Server) -> None:
    answer = ask(triton_models, "add_sub", outputs=["OUTPUT1"], INPUT0=rows(1, 2, 3, 4), INPUT1=rows(1, 1, 1, 1))
    assert list(answer) == ["OUTPUT1"]


def test_an_error_is_for_one_request_of_a_batch(triton_models: Server) -> None:
    def add(value: float) -> Any:
        try:
            return ask(triton_models, "add_sub", INPUT0=rows(*[value] * 4), INPUT1=rows(1, 1, 1, 1))["OUTPUT0"][0, 0]
        except InferenceServerException as error:
            return error.status(), error.message()

    values = [5000.0 if number % 3 == 0 else float(number) for number in range(48)]
    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(add, values))
    assert answers == [("400", "The sum is too large.") if value > 1000 else value + 1 for value in values]


def test_a_model_completes_its_own_configuration(triton_models: Server) -> None:
    shown = httpx.get(f"{triton_models.url}/v2/models/auto_complete").json()
    assert shown["inputs"] == [{"name": "text", "datatype": "BYTES", "shape": [-1, 1]}]
    assert shown["outputs"] == [{"name": "upper", "datatype": "BYTES", "shape": [-1, 1]}]
    assert ask(triton_models, "auto_complete", text=text("abc", "d").reshape(2, 1))["upper"].tolist() == [[b"ABC"], [b"D"]]


def test_answers_that_are_sent_later_from_a_thread(triton_models: Server) -> None:
    values, delays = np.array([4, 2, 0], np.int32), np.array([1, 5, 1], np.uint32)
    with streaming(triton_models, "repeat", IN=values, DELAY=delays) as stream:
        answers = list(stream)
    assert [(answer["OUT"].tolist(), answer["IDX"].tolist()) for answer in answers] == [([4], [0]), ([2], [1]), ([0], [2])]


def test_an_error_among_the_answers(triton_models: Server) -> None:
    values, delays = np.array([4, -1, 0], np.int32), np.zeros(3, np.uint32)
    with streaming(triton_models, "repeat", IN=values, DELAY=delays) as stream:
        assert stream.next() is not None
        with pytest.raises(InferenceServerException, match="A value is negative"):
            stream.next()


def test_requests_are_answered_side_by_side(triton_models: Server) -> None:
    begun = time.monotonic()
    with streaming(triton_models, "repeat", IN=np.zeros(2, np.int32), DELAY=np.array([1, 3_000_000], np.uint32)) as slow:
        assert slow.next() is not None
        with streaming(triton_models, "repeat", IN=np.zeros(2, np.int32), DELAY=np.zeros(2, np.uint32)) as quick:
            assert len(list(quick)) == 2
    assert time.monotonic() - begun < 3000


def test_a_sender_that_is_forgotten_ends_the_answers(triton_models: Server) -> None:
    with streaming(triton_models, "square", IN=np.array([3], np.int32)) as stream:
        assert [answer["OUT"].tolist() for answer in stream] == [[3], [3], [3]]
    with streaming(triton_models, "square", IN=np.array([0], np.int32)) as stream:
        assert list(stream) == []


def test_what_a_decoupled_model_raises(triton_models: Server) -> None:
    with (
        streaming(triton_models, "square", IN=np.array([-1], np.int32)) as stream,
        pytest.raises(InferenceServerException, match="It can't be squared"),
    ):
        stream.next()


def test_a_model_asks_another(triton_models: Server) -> None:
    inputs = {"INPUT0": rows(1, 2, 3, 4)[0], "INPUT1": rows(1, 1, 1, 1)[0]}
    answer = ask(triton_models, "bls_sync", MODEL_NAME=text("add_sub"), **inputs)
    assert answer["OUTPUT0"].tolist() == [2.0, 3.0, 4.0, 5.0]
    with pytest.raises(InferenceServerException, match="The model 'nobody' does not exist") as caught:
        ask(triton_models, "bls_sync", MODEL_NAME=text("nobody"), **inputs)
    assert caught.value.status() == "404"
    with pytest.raises(InferenceServerException, match="The sum is too large"):
        ask(triton_models, "bls_sync", MODEL_NAME=text("add_sub"), **{**inputs, "INPUT0": rows(5000, 2, 3, 4)[0]})


def test_async_code_asks_several_others_and_a_decoupled_one(triton_models: Server) -> None:
    answer = ask(triton_models, "bls_async", IN=np.array([3], np.int32))
    assert (answer["SUM"].tolist(), answer["SUMS"].tolist()) == ([9], [4.0, 5.0])
    with pytest.raises(InferenceServerException, match="It can't be squared"):
        ask(triton_models, "bls_async", IN=np.array([-1], np.int32))


def test_an_ensemble_of_a_config_pbtxt(triton_models: Server) -> None:
    assert ask(triton_models, "chain", A=rows(1, 2, 3, 4), B=rows(5, 6, 7, 8))["TWICE_A"].tolist() == [[2.0, 4.0, 6.0, 8.0]]
    with pytest.raises(InferenceServerException, match=r"Step 1 \(add_sub\): The sum is too large."):
        ask(triton_models, "chain", A=rows(5000, 2, 3, 4), B=rows(5, 6, 7, 8))
