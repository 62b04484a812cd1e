"""The data plane over real channels."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import pytest

from jubako.dataplane.plane import DataPlane
from jubako.errors import DeadlineExceeded, Forbidden, InstanceLost, ModelFailed, ModelNotFound, ModelNotReady
from jubako.messages import Caller, ChatRequest, Delta, GenerateEvent, GenerateResult, Message, SharedRegion, VersionState
from jubako.routing.fleet import Fleet
from tests.unit.dataplane.conftest import FakeRunner, version

PATIENCE_S = 100.0
REQUEST = ChatRequest(model="m", messages=[Message("user", "hi")])


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in other objects, which have no event for it
            await asyncio.sleep(0.005)


async def ask(plane: DataPlane) -> str:
    return (await plane.generate(REQUEST, Caller("id"))).choices[0].text


async def test_before_the_runner_has_spoken_nothing_is_known(plane: DataPlane) -> None:
    assert not plane.ready()
    with pytest.raises(ModelNotReady):
        await plane.generate(REQUEST, Caller("id"))


async def test_a_request_reaches_the_instance(plane: DataPlane, runner: FakeRunner) -> None:
    await runner.start_instance("one")
    runner.say(version(runner.instance("one")))
    await until(plane.ready)
    assert await ask(plane) == "one"
    with pytest.raises(ModelNotFound):
        plane.model("n")


async def test_a_stream_is_the_sum_of_its_batches(plane: DataPlane, runner: FakeRunner) -> None:
    await runner.start_instance("one")
    runner.say(version(runner.instance("one")))
    await until(plane.ready)
    events: list[GenerateEvent] = [event async for batch in plane.stream(REQUEST, Caller("id")) for event in batch]
    assert GenerateResult.from_events(events).choices == (await plane.generate(REQUEST, Caller("id"))).choices


@pytest.mark.parametrize(
    ("state", "error"), [("LOADING", ModelNotReady), ("UNAVAILABLE", ModelNotReady), ("FAILED", ModelFailed)]
)
async def test_a_version_without_instances_says_why(
    plane: DataPlane, fleet: Fleet, runner: FakeRunner, state: VersionState, error: type[Exception]
) -> None:
    runner.say(version(state=state, reason="no such file"))
    await until(lambda: fleet.snapshot is not None)
    with pytest.raises(error, match="no such file"):
        await plane.generate(REQUEST, Caller("id"))
    assert plane.ready() is (state == "FAILED")


async def test_the_least_busy_instance_is_asked(plane: DataPlane, fleet: Fleet, runner: FakeRunner) -> None:
    one, two = await runner.start_instance("one"), await runner.start_instance("two")
    both = version(runner.instance("one"), runner.instance("two"))
    runner.say(both)
    await until(lambda: fleet.snapshot is not None and len(fleet.channels(both)) == 2)
    one.gate.clear()
    two.gate.clear()
    calls = [asyncio.create_task(plane.generate(REQUEST, Caller("id"))) for _ in range(6)]
    await until(lambda: one.asked + two.asked == 6)
    assert (one.asked, two.asked) == (3, 3)
    one.gate.set()
    two.gate.set()
    await asyncio.gather(*calls)


async def test_an_instance_that_is_no_longer_ready_gets_no_new_call_but_finishes_its_own(
    plane: DataPlane, fleet: Fleet, runner: FakeRunner
) -> None:
    one = await runner.start_instance("one")
    ready = version(runner.instance("one"))
    runner.say(ready)
    await until(plane.ready)
    one.gate.clear()
    call = asyncio.create_task(ask(plane))
    await until(lambda: one.asked == 1)
    runner.say(version(runner.instance("one", "DRAINING"), state="UNAVAILABLE"))
    await until(lambda: not fleet.channels(ready))
    with pytest.raises(ModelNotReady):
        await plane.generate(REQUEST, Caller("id"))
    one.gate.set()
    assert await call == "one"


async def test_a_broken_channel_is_made_again(plane: DataPlane, runner: FakeRunner) -> None:
    one = await runner.start_instance("one")
    runner.say(version(runner.instance("one")))
    await until(plane.ready)
    one.gate.clear()
    call = asyncio.create_task(ask(plane))
    await until(lambda: one.asked == 1)
    runner.break_connections("one")
    with pytest.raises(InstanceLost):
        await call
    one.gate.set()
    await until(plane.ready)
    assert await ask(plane) == "one"


async def test_what_only_waited_is_sent_again(plane: DataPlane, runner: FakeRunner) -> None:
    one = await runner.start_instance("one")
    runner.say(version(runner.instance("one")))
    await until(plane.ready)
    one.queues = True
    one.gate.clear()
    call = asyncio.create_task(ask(plane))
    await until(lambda: one.asked == 1)
    await asyncio.sleep(0.05)  # the word that it waits is on its way
    runner.break_connections("one")
    one.gate.set()
    assert await asyncio.wait_for(call, PATIENCE_S) == "one"
    assert one.asked == 2


async def test_the_deadline_of_the_model_holds_for_calls_and_streams(plane: DataPlane, runner: FakeRunner) -> None:
    one = await runner.start_instance("one")
    runner.say(version(runner.instance("one"), timeout_s=0.2))
    await until(plane.ready)
    one.gate.clear()
    with pytest.raises(DeadlineExceeded, match=r"0\.2 seconds"):
        await plane.generate(REQUEST, Caller("id"))
    with pytest.raises(DeadlineExceeded):
        async for _ in plane.stream(REQUEST, Caller("id")):
            pass
    await until(lambda: one.cancelled == 2)


async def test_who_leaves_cancels_the_work(plane: DataPlane, runner: FakeRunner) -> None:
    one = await runner.start_instance("one")
    runner.say(version(runner.instance("one")))
    await until(plane.ready)
    one.gate.clear()
    call = asyncio.create_task(plane.generate(REQUEST, Caller("id")))
    await until(lambda: one.asked == 1)
    call.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await call
    await until(lambda: one.cancelled == 1)

    async with contextlib.aclosing(plane.stream(REQUEST, Caller("id"))) as batches:
        first = await anext(batches)
        assert isinstance(first[0], Delta)
    await until(lambda: one.cancelled == 2)


async def test_a_leaving_server_is_not_ready_and_abandons_in_the_end(plane: DataPlane, fleet: Fleet, runner: FakeRunner) -> None:
    one = await runner.start_instance("one")
    runner.say(version(runner.instance("one")))
    await until(plane.ready)
    one.gate.clear()
    call = asyncio.create_task(ask(plane))
    await until(lambda: one.asked == 1)
    runner.say(version(runner.instance("one")), draining=True)
    await until(lambda: not plane.ready())
    fleet.abandon()
    with pytest.raises(ModelNotReady, match="shut down"):
        await call


async def test_metrics_count_by_model_and_kind_of_error(plane: DataPlane, runner: FakeRunner) -> None:
    await runner.start_instance("one")
    runner.say(version(runner.instance("one"), model="counted"), version(model="broken", state="FAILED"))
    await until(lambda: bool(plane.models()) and plane.ready())
    await plane.generate(ChatRequest(model="counted", messages=REQUEST.messages), Caller("id"))
    with pytest.raises(ModelFailed):
        await plane.generate(ChatRequest(model="broken", messages=REQUEST.messages), Caller("id"))
    page = (await plane.metrics()).decode()
    assert 'jubako_requests_total{model="counted",task="chat",version="1"} 1.0' in page
    assert 'jubako_prompt_tokens_total{model="counted",task="chat",version="1"} 3.0' in page
    assert 'jubako_request_errors_total{kind="ModelFailed",model="broken",task="chat",version="1"} 1.0' in page
    assert 'jubako_requests_in_flight{model="counted",task="chat",version="1"} 0.0' in page
    assert 'jubako_model_ready{model="counted",version="1"} 1.0' in page
    assert 'jubako_model_ready{model="broken",version="1"} 0.0' in page


async def test_the_next_generation_is_asked_as_soon_as_the_runner_names_it(
    plane: DataPlane, fleet: Fleet, runner: FakeRunner
) -> None:
    old, _ = await runner.start_instance("old"), await runner.start_instance("new")
    runner.say(version(runner.instance("old")))
    await until(plane.ready)
    old.gate.clear()
    in_flight = asyncio.create_task(ask(plane))
    await until(lambda: old.asked == 1)
    runner.say(version(runner.instance("new"), created=2))
    while plane.model("m").created != 2:  # noqa: ASYNC110 - each turn of the loop is looked at
        await asyncio.sleep(0)
    # Not a moment later: the catalogue changes only when the new instance can be asked.
    assert await ask(plane) == "new"
    old.gate.set()
    assert await in_flight == "old"


async def test_a_call_to_an_instance_that_drains_goes_to_its_successor(plane: DataPlane, runner: FakeRunner) -> None:
    await runner.start_instance("old")
    await runner.start_instance("new")
    runner.say(version(runner.instance("old")))
    await until(plane.ready)
    draining = asyncio.create_task(runner.drain("old"))
    call = asyncio.create_task(ask(plane))
    await asyncio.sleep(0.05)
    assert not call.done()
    runner.say(version(runner.instance("new"), number=2), version(number=1, state="UNLOADED"))
    assert await asyncio.wait_for(call, PATIENCE_S) == "new"
    # The fleet has closed its channel, so the instance need not linger.
    await asyncio.wait_for(draining, PATIENCE_S)


async def test_an_unloaded_model_is_not_waited_for_and_leaves_the_server_ready(plane: DataPlane, runner: FakeRunner) -> None:
    await runner.start_instance("one")
    runner.say(version(runner.instance("one")), version(model="gone", state="UNLOADED", reason="unloaded"))
    await until(plane.ready)
    with pytest.raises(ModelNotReady, match="'gone' is not loaded: unloaded"):
        await plane.generate(ChatRequest(model="gone", messages=REQUEST.messages), Caller("id"))


async def test_what_loads_once_all_has_started_leaves_the_server_ready(
    plane: DataPlane, fleet: Fleet, runner: FakeRunner
) -> None:
    await runner.start_instance("one")
    versions = [version(runner.instance("one")), version(model="more", state="LOADING")]
    runner.say(*versions)
    await until(lambda: fleet.snapshot is not None)
    assert not plane.ready()
    runner.say(*versions, started=True)
    await until(plane.ready)


async def test_without_a_runner_nothing_can_be_loaded(plane: DataPlane) -> None:
    with pytest.raises(ModelNotReady, match="runner is being restarted"):
        await plane.load("m")


async def test_a_server_that_shares_no_memory_says_how_it_would(plane: DataPlane) -> None:
    with pytest.raises(Forbidden, match="--shared-memory on"):
        await plane.register_region(SharedRegion(name="mine", key="/any", byte_size=1))
