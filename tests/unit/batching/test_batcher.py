"""The batcher under a real event loop, with real threads."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jubako.batching.batcher import Batcher
from jubako.batching.queued import Queued
from jubako.errors import DeadlineExceeded, InternalError, InvalidRequest, ModelNotReady, Overloaded
from jubako.repository.config import BatchingConfig, QueueConfig

PATIENCE_S = 100.0

Doubling: TypeAlias = Batcher[int, int]


class Model:
    """Doubles numbers: at once, or when it is let. Remembers its batches and their threads."""

    def __init__(self, *, seconds: float = 0.0, gated: bool = False) -> None:
        self.batches: list[list[int]] = []
        self.threads: set[int] = set()
        self.began = threading.Event()
        self.gate = threading.Event()
        self._seconds = seconds
        if not gated:
            self.gate.set()

    def __call__(self, payloads: list[int]) -> list[int | Exception]:
        self.batches.append(payloads)
        self.threads.add(threading.get_ident())
        self.began.set()
        if not self.gate.is_set():
            assert self.gate.wait(PATIENCE_S)
        if self._seconds:
            time.sleep(self._seconds)
        return [ValueError(str(payload)) if payload < 0 else 2 * payload for payload in payloads]

    async def begun(self) -> None:
        await asyncio.to_thread(self.began.wait, PATIENCE_S)


def make(
    model: Callable[[list[int]], list[int | Exception]], config: BatchingConfig | None = None, *, max_rows: int = 8
) -> Doubling:
    return Batcher(
        config or BatchingConfig(), max_rows=max_rows, max_queue_size=100_000, queue_timeout_s=None, run=model, name="double:1"
    )


class Caller:
    """One request and what became of it."""

    def __init__(self, batcher: Doubling, payload: int, *, timeout_s: float | None = None, priority: int = 0) -> None:
        self.future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.answers: list[int | Exception] = []
        self.queued: Queued[int, int] = Queued(payload, self._done, key=None, priority=priority)
        batcher.submit(self.queued, timeout_s=timeout_s)
        assert not self.answers, "no answer before submit returns"

    def _done(self, answer: int | Exception) -> None:
        self.answers.append(answer)
        if isinstance(answer, Exception):
            self.future.set_exception(answer)
        else:
            self.future.set_result(answer)


async def test_requests_of_one_turn_share_a_batch_and_get_their_own_answers() -> None:
    model = Model()
    batcher = make(model)
    callers = [Caller(batcher, number) for number in range(5)]
    assert await asyncio.gather(*(caller.future for caller in callers)) == [0, 2, 4, 6, 8]
    assert model.batches == [[0, 1, 2, 3, 4]]
    assert (batcher.queued, batcher.running, batcher.progress, batcher.capacity) == (0, 0, 1, 8)
    assert batcher.statistics().reason.startswith("5 rows of 5 requests")
    await batcher.close()


async def test_one_error_fails_one_request_and_a_raised_one_all() -> None:
    batcher = make(Model())
    good, bad = Caller(batcher, 1), Caller(batcher, -1)
    assert await good.future == 2
    with pytest.raises(ValueError, match="-1"):
        await bad.future
    await batcher.close()

    def fail(payloads: list[int]) -> list[int | Exception]:
        raise ZeroDivisionError("all")

    batcher = make(fail)
    for caller in [Caller(batcher, 1), Caller(batcher, 2)]:
        with pytest.raises(ZeroDivisionError):
            await caller.future
    await batcher.close()


async def test_missing_answers_and_exits_reach_the_callers_as_errors() -> None:
    batcher = make(lambda payloads: [1])
    for caller in [Caller(batcher, 1), Caller(batcher, 2)]:
        with pytest.raises(InternalError, match="each of its requests"):
            await caller.future
    await batcher.close()

    def leave(payloads: list[int]) -> list[int | Exception]:
        raise SystemExit

    batcher = make(leave)
    with pytest.raises(InternalError, match="SystemExit"):
        await Caller(batcher, 1).future
    with pytest.raises(InternalError):
        await Caller(batcher, 2).future
    await batcher.close()


async def test_a_callback_that_fails_harms_nobody_else(caplog: pytest.LogCaptureFixture) -> None:
    batcher = make(Model())

    def fail(answer: int | Exception) -> None:
        raise RuntimeError("gone")

    batcher.submit(Queued(1, fail))
    assert await Caller(batcher, 2).future == 4
    assert await Caller(batcher, 3).future == 6
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    await batcher.close()


async def test_the_loop_is_free_while_a_batch_is_computed_and_the_next_forms_meanwhile() -> None:
    model = Model(gated=True)
    batcher = make(model, max_rows=4)
    first = Caller(batcher, 0)
    await model.begun()
    others = [Caller(batcher, number) for number in range(1, 4)]
    await asyncio.sleep(0.01)
    assert (batcher.running, batcher.queued) == (1, 3)
    model.gate.set()
    await asyncio.gather(first.future, *(caller.future for caller in others))
    assert model.batches == [[0], [1, 2, 3]]
    await batcher.close()


async def test_several_batches_are_in_flight_where_that_is_allowed() -> None:
    together = threading.Barrier(3)

    def meet(payloads: list[int]) -> list[int | Exception]:
        together.wait(PATIENCE_S)
        return [*payloads]

    batcher = make(meet, BatchingConfig(max_in_flight=3), max_rows=1)
    assert batcher.capacity == 3
    callers = [Caller(batcher, number) for number in range(6)]
    assert await asyncio.gather(*(caller.future for caller in callers)) == list(range(6))
    await batcher.close()


@pytest.mark.parametrize("max_rows", [0, 1, 16])
async def test_quick_batches_move_to_the_loops_thread_and_slow_ones_leave_it(max_rows: int) -> None:
    here = threading.get_ident()
    model = Model()
    batcher = make(model, max_rows=max_rows)
    for number in range(200):
        assert await Caller(batcher, number).future == 2 * number
    assert here in model.threads
    model._seconds = 0.01
    # One slow run may have been the system's fault; a second is the model's.
    for number in range(2):
        await Caller(batcher, number).future
    model.threads.clear()
    for number in range(20):
        await Caller(batcher, number).future
    assert here not in model.threads
    await batcher.close()


async def test_quick_batches_do_not_starve_the_loop() -> None:
    def compute(payloads: list[int]) -> list[int | Exception]:
        end = time.perf_counter() + 50e-6
        while time.perf_counter() < end:
            pass
        return [*payloads]

    batcher = make(compute, max_rows=1)
    for number in range(200):
        await Caller(batcher, number).future
    callers = [Caller(batcher, number) for number in range(500)]
    turns = 0
    while not callers[-1].answers:
        turns += 1
        await asyncio.sleep(0)
    assert turns > 10
    await batcher.close()


async def test_answers_keep_the_order_where_that_is_asked() -> None:
    delays = iter([0.05, 0.0, 0.02, 0.0, 0.0, 0.01])

    def uneven(payloads: list[int]) -> list[int | Exception]:
        time.sleep(next(delays))
        return [*payloads]

    batcher = make(uneven, BatchingConfig(preserve_order=True, max_in_flight=3), max_rows=1)
    order: list[int | Exception] = []
    done = asyncio.Event()

    def take(answer: int | Exception) -> None:
        order.append(answer)
        if len(order) == 5:
            done.set()

    queued: list[Queued[int, int]] = [Queued(number, take) for number in range(6)]
    for one in queued:
        batcher.submit(one)
    batcher.cancel(queued[1])
    await asyncio.wait_for(done.wait(), PATIENCE_S)
    assert order == [0, 2, 3, 4, 5]
    await batcher.close()


async def test_whoever_waits_too_long_fails_while_the_batch_still_runs() -> None:
    model = Model(gated=True)
    batcher = make(model, BatchingConfig(queue=QueueConfig(timeout_ms=20_000.0)))
    first = Caller(batcher, 1)
    await model.begun()
    with pytest.raises(DeadlineExceeded, match="double:1"):
        await Caller(batcher, 2, timeout_s=0.02).future
    model.gate.set()
    assert await first.future == 2
    assert model.batches == [[1]]
    assert batcher.statistics().expired == 1
    await batcher.close()


async def test_one_whose_time_is_over_may_take_another_along() -> None:
    model = Model(gated=True)
    batcher = make(model)
    first = Caller(batcher, 1)
    await model.begun()
    told: list[int | Exception] = []
    failed = asyncio.Event()
    last: Queued[int, int] = Queued(3, told.append)

    def leave_together(answer: int | Exception) -> None:
        batcher.cancel(last)
        failed.set()

    batcher.submit(Queued(2, leave_together), timeout_s=0.02)
    batcher.submit(last, timeout_s=0.02)
    await asyncio.wait_for(failed.wait(), PATIENCE_S)
    model.gate.set()
    assert await first.future == 2
    assert told == []
    await batcher.close()


async def test_refusals() -> None:
    model = Model(gated=True)
    batcher = make(model, BatchingConfig(queue=QueueConfig(max_size=1), priority_levels=2))
    first = Caller(batcher, 1)
    await model.begun()
    second = Caller(batcher, 2, priority=1)
    with pytest.raises(Overloaded):
        Caller(batcher, 3, priority=1)
    with pytest.raises(InvalidRequest):
        Caller(batcher, 3, priority=7)
    model.gate.set()
    assert await second.future == 4
    assert await first.future == 2
    await batcher.close()
    with pytest.raises(ModelNotReady):
        Caller(batcher, 3)


async def test_closing_finishes_what_runs_and_refuses_what_waits() -> None:
    model = Model(gated=True)
    batcher = make(model)
    first = Caller(batcher, 1)
    await model.begun()
    second = Caller(batcher, 2)
    closing = asyncio.create_task(batcher.close())
    with pytest.raises(ModelNotReady):
        await second.future
    model.gate.set()
    await closing
    assert first.answers == [2]


@settings(max_examples=25, deadline=None)
@given(
    plan=st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=40),
    max_rows=st.sampled_from([1, 3, 8]),
    preserve_order=st.booleans(),
    max_in_flight=st.integers(1, 2),
)
def test_each_is_answered_once_or_cancelled(
    plan: list[tuple[int, bool]], max_rows: int, preserve_order: bool, max_in_flight: int
) -> None:
    """Turns of the loop pass between requests, and each may be cancelled when some more have passed."""

    async def go() -> None:
        model = Model()
        config = BatchingConfig(preserve_order=preserve_order, max_in_flight=max_in_flight)
        batcher = make(model, config, max_rows=max_rows)
        callers: list[Caller] = []
        cancelled: set[int] = set()
        for number, (turns, cancels) in enumerate(plan):
            callers.append(Caller(batcher, number))
            for _ in range(turns):
                await asyncio.sleep(0)
            if cancels:
                victim = callers[number // 2]
                if not victim.answers:
                    cancelled.add(number // 2)
                batcher.cancel(victim.queued)
        kept = [caller.future for number, caller in enumerate(callers) if number not in cancelled]
        if kept:
            await asyncio.wait_for(asyncio.gather(*kept), PATIENCE_S)
        await batcher.close()
        for number, caller in enumerate(callers):
            assert caller.answers == ([] if number in cancelled else [2 * number])
        assert all(len(batch) <= max_rows for batch in model.batches)
        computed = [number for batch in model.batches for number in batch]
        assert len(computed) == len(set(computed))

    asyncio.run(go())


def test_a_batch_that_never_ends_does_not_keep_the_process() -> None:
    program = """
import asyncio, threading
from jubako.batching.batcher import Batcher
from jubako.batching.queued import Queued
from jubako.repository.config import BatchingConfig

began = threading.Event()

def hang(payloads):
    began.set()
    threading.Event().wait()

async def main():
    batcher = Batcher(BatchingConfig(), max_rows=1, max_queue_size=1, queue_timeout_s=None, run=hang, name="hangs")
    batcher.submit(Queued(1, print))
    await asyncio.to_thread(began.wait)

asyncio.run(main())
print("left")
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE_S, check=True)
    assert ended.stdout == "left\n"
