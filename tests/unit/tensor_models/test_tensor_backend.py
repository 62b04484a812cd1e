"""Requests are checked, share batches, and get their own rows back."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import numpy as np
import pytest

from jubako.backends.base import ModelSpec
from jubako.errors import InternalError, InvalidRequest
from jubako.messages import InferRequest, Parameter, RequestedOutput
from jubako.repository.config import BatchingConfig
from jubako.tensors import Arrays, Signature, Tensor, TensorSpec
from tests.unit.tensor_models.engines import SPEC, Doubler, X, Y, array_of, loaded, request, submit


class Fixed(Doubler):
    signature = Signature(
        inputs=[
            TensorSpec(name="x", datatype="FP32", shape=[2]),
            TensorSpec(name="m", datatype="BOOL", shape=[1], optional=True),
        ],
        outputs=[Y],
        max_batch_size=8,
    )


class Whole(Doubler):
    signature = Signature(inputs=[TensorSpec(name="x", datatype="FP32", shape=[2])], outputs=[Y])


class Ragged(Doubler):
    """Gives each row the sum of all its batch's elements, so that what was joined can be seen."""

    signature = Signature(
        inputs=[TensorSpec(name="x", datatype="FP32", shape=[-1], ragged=True)],
        outputs=[TensorSpec(name="y", datatype="FP32", shape=[1])],
        max_batch_size=8,
    )

    def run(self, inputs: Arrays, wanted: frozenset[str], parameters: Mapping[str, Parameter]) -> Arrays:
        super().run(inputs, wanted, parameters)
        return {"y": np.full((1, 1), inputs["x"].sum(), np.float32)}


def rows(count: int, width: int = 2, start: int = 0) -> np.ndarray:
    return np.arange(start, start + count * width, dtype=np.float32).reshape(count, width)


async def test_requests_share_a_batch_and_get_their_own_rows_back() -> None:
    engine = Doubler()
    backend = await loaded(engine)
    engine.gate.clear()
    answers = [submit(backend, request(("x", rows(1, start=10 * number)))) for number in range(7)]
    await asyncio.sleep(0.05)
    engine.gate.set()
    for number, answer in enumerate(answers):
        np.testing.assert_array_equal(array_of(await answer), 2 * rows(1, start=10 * number))
    assert len(engine.batches) < 7
    assert sum(len(batch["x"]) for batch in engine.batches) == 7
    statistics = backend.statistics()
    assert (statistics.inferences, statistics.executions) == (7, len(engine.batches))
    assert statistics.success.count == statistics.queue.count == 7
    assert 0 < statistics.queue.ns < statistics.success.ns
    assert sum(batch.compute_infer.count for batch in statistics.batches) == len(engine.batches)
    await backend.close()


async def test_shapes_that_differ_do_not_share_a_batch() -> None:
    engine = Doubler()
    backend = await loaded(engine)
    engine.gate.clear()
    answers = [submit(backend, request(("x", rows(1, width=1 + number % 2)))) for number in range(6)]
    await asyncio.sleep(0.05)
    engine.gate.set()
    for number, answer in enumerate(answers):
        np.testing.assert_array_equal(array_of(await answer), 2 * rows(1, width=1 + number % 2))
    await backend.close()


async def test_a_request_larger_than_a_batch_is_computed_in_parts() -> None:
    engine = Doubler()
    backend = await loaded(engine)
    result = await submit(backend, request(("x", rows(21))))
    np.testing.assert_array_equal(array_of(result), 2 * rows(21))
    assert sorted(len(batch["x"]) for batch in engine.batches) == [5, 8, 8]
    with pytest.raises(RuntimeError):
        await submit(backend, request(("x", np.where(rows(21) == 30, np.nan, rows(21)).astype(np.float32))))
    await backend.close()


async def test_length_buckets_pad_the_inputs_and_trim_the_outputs() -> None:
    engine = Doubler()
    backend = await loaded(engine, BatchingConfig(length_buckets={"x": [4, 8]}))
    engine.gate.clear()
    lengths = [1, 3, 4, 2]
    answers = [submit(backend, request(("x", rows(1, width=width)))) for width in lengths]
    await asyncio.sleep(0.05)
    engine.gate.set()
    for width, answer in zip(lengths, answers, strict=True):
        np.testing.assert_array_equal(array_of(await answer), 2 * rows(1, width=width))
    assert {batch["x"].shape[1] for batch in engine.batches} == {4}
    longer = await submit(backend, request(("x", rows(1, width=11))))
    np.testing.assert_array_equal(array_of(longer), 2 * rows(1, width=11))
    await backend.close()


async def test_ragged_inputs_are_joined_end_to_end() -> None:
    engine = Ragged()
    backend = await loaded(engine)
    result = await submit(backend, request(("x", rows(1, width=3))))
    assert array_of(result).tolist() == [[3.0]]
    assert engine.batches[0]["x"].shape == (3,)
    await backend.close()


async def test_parameters_reach_only_models_that_take_them_and_never_mix() -> None:
    class Takes(Doubler):
        takes_parameters = True

    engine = Takes()
    backend = await loaded(engine)
    engine.gate.clear()
    answers = [submit(backend, request(("x", rows(1)), parameters={"who": number % 2})) for number in range(6)]
    await asyncio.sleep(0.05)
    engine.gate.set()
    await asyncio.gather(*answers)
    assert [set(parameters) for parameters in engine.parameters] == [{"who"}] * len(engine.parameters)
    assert len(engine.batches) >= 2
    await backend.close()


async def test_a_model_without_a_batch_dimension_computes_each_request_alone() -> None:
    engine = Whole()
    backend = await loaded(engine)
    answers = [submit(backend, request(("x", np.array([number, 1], np.float32)))) for number in range(5)]
    for number, answer in enumerate(answers):
        assert array_of(await answer).tolist() == [2 * number, 2]
    assert len(engine.batches) == 5
    await backend.close()


async def test_a_failing_batch_fails_its_own_requests_and_no_later_one() -> None:
    engine = Doubler()
    backend = await loaded(engine)
    with pytest.raises(RuntimeError):
        await submit(backend, request(("x", np.array([[np.nan]], np.float32))))
    assert array_of(await submit(backend, request(("x", rows(1))))).tolist() == [[0.0, 2.0]]
    assert backend.statistics().fail.count == 1
    await backend.close()


async def test_a_request_that_the_engine_does_not_like_harms_no_other_in_its_batch() -> None:
    engine = Doubler()
    backend = await loaded(engine)
    engine.gate.clear()
    first = submit(backend, request(("x", rows(1))))
    await asyncio.sleep(0.05)
    good = [submit(backend, request(("x", rows(1, start=number)))) for number in range(4)]
    bad = submit(backend, request(("x", np.full((1, 2), np.nan, np.float32))))
    await asyncio.sleep(0.05)
    engine.gate.set()
    await first
    for number, answer in enumerate(good):
        np.testing.assert_array_equal(array_of(await answer), 2 * rows(1, start=number))
    with pytest.raises(RuntimeError):
        await bad
    assert any(len(batch["x"]) == 5 for batch in engine.batches), "they did not share a batch"
    statistics = backend.statistics()
    assert statistics.fail.count == 1
    assert statistics.queue.count == 5
    assert statistics.queue.ns > 4 * 40e6, "four waited while the gate was closed"
    await backend.close()


async def test_what_nobody_waits_for_is_not_computed() -> None:
    engine = Doubler()
    backend = await loaded(engine)
    engine.gate.clear()
    first = submit(backend, request(("x", rows(1))))
    await asyncio.sleep(0.05)
    left = submit(backend, request(("x", rows(1, start=500))))
    left.cancel()
    await asyncio.sleep(0)
    engine.gate.set()
    await first
    await submit(backend, request(("x", rows(1))))
    assert not any((batch["x"].astype(int) >= 500).any() for batch in engine.batches)
    scheduler = backend.statistics().scheduler
    assert scheduler is not None
    assert scheduler.cancelled == 1
    await backend.close()


async def test_a_model_that_breaks_its_promise_is_found_out() -> None:
    class Loses(Doubler):
        def run(self, inputs: Arrays, wanted: frozenset[str], parameters: Mapping[str, Parameter]) -> Arrays:
            return {"y": inputs["x"][:0]}

    backend = await loaded(Loses())
    with pytest.raises(InternalError, match=r"'y' the shape \[0, 2\] for a batch of 1 rows"):
        await submit(backend, request(("x", rows(1))))
    await backend.close()


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        pytest.param([], r"needs the input 'x', which did not come. Its inputs are 'x' \(FP32 \[-1, 2\]\)", id="missing"),
        pytest.param([("z", rows(1))], r"no input 'z'", id="unknown"),
        pytest.param([("x", rows(1)), ("x", rows(1))], "twice", id="twice"),
        pytest.param([("x", rows(1, 3))], r"must have the shape \[-1, 2\] .*; \[1, 3\] came", id="shape"),
        pytest.param([("x", rows(1)[0])], r"for one row send \[1, 2\]", id="no batch dimension"),
        pytest.param([("x", rows(0))], r"\[0, 2\] came", id="no rows"),
        pytest.param([("x", rows(1).astype(np.int32))], "has the datatype FP32; the request says INT32", id="datatype"),
        pytest.param([("x", rows(2)), ("m", np.ones((1, 1), bool))], "equally many rows", id="rows"),
    ],
)
async def test_wrong_inputs_are_refused_with_what_was_expected(tensors: list[tuple[str, np.ndarray]], message: str) -> None:
    engine = Fixed()
    backend = await loaded(engine)
    with pytest.raises(InvalidRequest, match=message):
        await submit(backend, request(*tensors))
    assert not engine.batches
    await backend.close()


async def test_contents_of_another_length_are_refused() -> None:
    backend = await loaded(Fixed())
    with pytest.raises(InvalidRequest, match="must have 8 bytes; 4 came"):
        await submit(backend, InferRequest(model="m", inputs=[Tensor("x", "FP32", [1, 2], bytes(4))]))
    with pytest.raises(InvalidRequest, match="'x'"):
        await submit(backend, InferRequest(model="m", inputs=[Tensor("x", "FP32", [-1, 2], bytes(8))]))
    await backend.close()


async def test_an_unknown_output_is_refused_with_the_nearest() -> None:
    backend = await loaded(Doubler())
    asked = InferRequest(model="m", inputs=request(("x", rows(1))).inputs, outputs=[RequestedOutput("Y")])
    with pytest.raises(InvalidRequest, match="no output 'Y'"):
        await submit(backend, asked)
    await backend.close()


async def test_optional_inputs_may_be_left_out_and_never_mix_with_those_that_have_them() -> None:
    engine = Fixed()
    backend = await loaded(engine)
    engine.gate.clear()
    plain = [submit(backend, request(("x", rows(1)))) for _ in range(3)]
    masked = [submit(backend, request(("x", rows(1)), ("m", np.ones((1, 1), bool)))) for _ in range(3)]
    await asyncio.sleep(0.05)
    engine.gate.set()
    await asyncio.gather(*plain, *masked)
    assert {len(batch) for batch in engine.batches} == {1, 2}
    await backend.close()


async def test_empty_tensors_are_tensors() -> None:
    class Counts(Doubler):
        signature = Signature(inputs=[X], outputs=[Y], max_batch_size=8)

    backend = await loaded(Counts(ModelSpec(model="m", version=1, implementation="", tasks=["infer"])))
    assert array_of(await submit(backend, request(("x", np.zeros((1, 0), np.float32))))).shape == (1, 0)
    assert SPEC.max_queue_size == 1000
    await backend.close()
