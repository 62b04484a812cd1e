"""The control plane as gateways and operators meet it: a server of its own, watched, told to end, killed."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import msgspec
import pytest

from jubako.messages import Snapshot
from jubako.routing.watch import watch
from tests.integration.runner_process import MakeRunner
from tests.integration.runner_serving import (
    LONG_S,
    answer,
    chat,
    connected,
    exists,
    instance_of,
    is_in,
    kill,
    until_gone,
    version_of,
)

ECHO = "backend: echo\nengine: {token_delay_s: 0.02}\n"


async def test_a_broken_entry_fails_alone_and_says_why(make_runner: MakeRunner) -> None:
    runner = make_runner(
        good="backend: echo\nserved_names: ['good:1b']", bad="backend: ecko", gone="backend: llama_cpp\nsource: a.gguf"
    )
    snapshot = await runner.until(lambda s: all(version.state in {"READY", "FAILED"} for version in s.versions))
    good, bad, gone = (version_of(snapshot, name) for name in ("good", "bad", "gone"))
    assert good.state == "READY"
    assert "good:1b" in good.served_names
    assert good.tasks == ["chat", "completion", "embedding", "score", "classify"]
    assert good.info is not None
    assert good.info.context_length == 4096
    assert good.created > 0
    assert bad.state == "FAILED"
    assert "ecko" in bad.reason
    assert gone.state == "FAILED"
    assert gone.reason
    assert msgspec.json.decode(runner.get("/snapshot").content, type=Snapshot) == snapshot
    assert runner.get("/livez").status_code == 200
    assert runner.get("/readyz").status_code == 200


async def test_it_is_ready_once_nothing_loads_any_more(make_runner: MakeRunner) -> None:
    runner = make_runner(slow="backend: echo\nengine: {load_delay_s: 3600}", quick="backend: echo")
    await runner.instance("quick")
    answered = runner.get("/readyz")
    assert answered.status_code == 503
    assert answered.text == "loading slow:1\n"
    assert runner.get("/livez").status_code == 200


async def test_told_to_end_it_keeps_instances_until_the_last_watcher_has_gone(make_runner: MakeRunner) -> None:
    runner = make_runner(echo=ECHO)
    instance = await runner.instance("echo")
    async with asyncio.timeout(LONG_S), connected(instance.address) as client, aclosing(runner.watching()) as snapshots:
        await anext(snapshots)
        words = " ".join(map(str, range(50)))
        in_flight = asyncio.create_task(answer(client, chat(words)))
        runner.terminate()
        assert (await anext(snapshots)).draining
        assert await in_flight == words
        assert await answer(client, chat("one more")) == "one more"
        assert runner.process.poll() is None
    assert await runner.ended() in {0, -signal.SIGTERM}
    await until_gone(instance.pid)
    assert not exists(str(Path(instance.address).parent))


async def test_a_watcher_that_stays_delays_the_end_by_the_grace_period_at_most(make_runner: MakeRunner) -> None:
    runner = make_runner(grace_period_s=0.5, echo=ECHO)
    instance = await runner.instance("echo")
    async with aclosing(runner.watching()) as snapshots:
        await anext(snapshots)
        runner.terminate()
        with pytest.raises(ConnectionError):
            await exhaust(snapshots)
    assert await runner.ended() in {0, -signal.SIGTERM}
    await until_gone(instance.pid)


async def test_told_to_end_while_a_model_loads_it_ends(make_runner: MakeRunner) -> None:
    runner = make_runner(slow="backend: echo\nengine: {load_delay_s: 3600}")
    loading = await runner.until(lambda s: any(i.pid for i in version_of(s, "slow").instances))
    runner.terminate()
    assert await runner.ended() in {0, -signal.SIGTERM}
    await until_gone(instance_of(loading, "slow").pid)


async def test_instances_leave_the_decision_to_the_runner_when_everybody_is_told_to_end(make_runner: MakeRunner) -> None:
    runner = make_runner(echo=ECHO)
    instance = await runner.instance("echo")
    assert instance.pid is not None
    async with connected(instance.address) as client:
        for signum in (signal.SIGTERM, signal.SIGINT):
            os.kill(instance.pid, signum)
        assert await answer(client, chat("still here")) == "still here"


async def test_a_killed_runner_leaves_no_process_and_the_next_one_no_socket(make_runner: MakeRunner) -> None:
    runner = make_runner(echo="backend: echo\ninstances: 2", slow="backend: echo\nengine: {load_delay_s: 3600}")
    before = await runner.until(lambda s: all(i.pid for v in s.versions for i in v.instances) and is_in("echo", "READY")(s))
    instances = [instance for version in before.versions for instance in version.instances]
    assert len(instances) == 3
    async with aclosing(runner.watching()) as snapshots:
        await anext(snapshots)
        kill(runner.process.pid)
        with pytest.raises(OSError, match="broke off"):
            await exhaust(snapshots)
    await runner.ended()
    await until_gone(*(instance.pid for instance in instances))
    folder = str(Path(instances[0].address).parent)
    assert exists(folder)
    await make_runner(echo="backend: echo").instance("echo")
    assert not exists(folder)


async def test_an_instance_that_dies_under_the_server_is_replaced(make_runner: MakeRunner) -> None:
    runner = make_runner(echo="backend: echo")
    before = await runner.instance("echo")
    kill(before.pid)
    after = await runner.until(lambda s: is_in("echo", "READY")(s) and instance_of(s, "echo").restarts == 1)
    async with connected(instance_of(after, "echo").address) as client:
        assert await answer(client, chat("here again")) == "here again"


async def test_without_a_repository_it_does_not_start(make_runner: MakeRunner) -> None:
    runner = make_runner()
    assert await runner.ended() not in {0, -signal.SIGTERM}


async def test_nobody_to_watch_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        await anext(watch(str(tmp_path / "nobody.sock")))


async def exhaust(snapshots: AsyncIterator[Snapshot]) -> None:
    async for _ in snapshots:
        pass
