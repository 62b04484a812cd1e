"""Instances that die, loop, stall or can't load: each is dealt with, and no other model notices."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import psutil
import pytest

from jubako.backends.base import ModelSpec
from jubako.channel.client import ChannelClient
from jubako.errors import InstanceLost, InternalError
from jubako.messages import Caller, Snapshot
from jubako.repository.config import Limits
from jubako.runner.deployment import Deployment, Report
from jubako.runner.instance_process import UNREAD_S
from jubako.runner.restarts import RestartPolicy
from tests.integration.runner_serving import (
    LONG_S,
    STALL_S,
    TROUBLED,
    answer,
    chat,
    completion,
    connected,
    deployed,
    exists,
    instance_of,
    is_in,
    kill,
    supervising,
    suspend,
    until,
    until_first_text,
    until_gone,
    until_ready,
    version_of,
)


def both_ready(snapshot: Snapshot) -> bool:
    return all(version.state == "READY" for version in snapshot.versions)


async def test_a_killed_instance_is_replaced_and_another_model_never_notices() -> None:
    async with supervising(deployed("victim", token_delay_s=0.05), deployed("other", token_delay_s=0.05)) as supervisor:
        before = await until(supervisor, both_ready)
        victim, other = instance_of(before, "victim"), instance_of(before, "other")
        async with connected(victim.address) as dying, connected(other.address) as living:
            words = " ".join(map(str, range(40)))
            with (
                dying.call(chat(words), stream=False, caller=Caller("lost")) as lost,
                living.call(chat(words), stream=False, caller=Caller("kept")) as kept,
            ):
                kill(victim.pid)
                with pytest.raises(InstanceLost):
                    await lost.result()
                after = await until(supervisor, lambda s: both_ready(s) and instance_of(s, "victim").pid != victim.pid)
                assert await kept.result()
        replacement = instance_of(after, "victim")
        assert replacement.restarts == 1
        assert replacement.address != victim.address
        assert not exists(victim.address)
        assert after.serial > before.serial
        assert instance_of(after, "other") == other
        async with connected(replacement.address) as client:
            assert await answer(client, chat("here again")) == "here again"


async def test_while_it_is_replaced_the_version_is_unavailable_and_says_why() -> None:
    policy = RestartPolicy(first_delay_s=60)
    async with supervising(deployed("victim"), policy=policy) as supervisor:
        kill((await until_ready(supervisor, "victim")).pid)
        version = version_of(await until(supervisor, is_in("victim", "UNAVAILABLE")), "victim")
        assert "SIGKILL" in version.reason
        assert version.instances[0].pid is None


async def test_one_of_two_instances_dies_and_the_version_stays_ready() -> None:
    async with supervising(deployed("pair", instances=2)) as supervisor:
        before = await until(supervisor, lambda s: [i.state for i in version_of(s, "pair").instances] == ["READY"] * 2)
        first, second = version_of(before, "pair").instances
        kill(first.pid)
        during = await until(supervisor, lambda s: version_of(s, "pair").instances[0].state != "READY")
        assert version_of(during, "pair").state == "READY"
        assert version_of(during, "pair").instances[1] == second


async def test_a_crash_loop_while_loading_fails_the_version_with_its_last_words() -> None:
    async with supervising(deployed("looping", TROUBLED, trouble="exit"), deployed("other")) as supervisor:
        failed = version_of(await until(supervisor, is_in("looping", "FAILED")), "looping")
        assert "exited with status 3" in failed.reason
        assert "out of luck" in failed.reason
        assert "really out of luck" in failed.reason
        assert failed.instances[0].restarts == 4
        assert failed.instances[0].state == "STOPPED"
        await until_ready(supervisor, "other")


async def test_a_crash_loop_in_service_fails_the_version() -> None:
    async with supervising(deployed("looping", TROUBLED)) as supervisor:
        for _ in range(5):
            async with connected((await until_ready(supervisor, "looping")).address) as client:
                with pytest.raises(InstanceLost):
                    await answer(client, completion("exit"))
            await until(supervisor, lambda s: version_of(s, "looping").state != "READY")
        assert "exited with status 7" in version_of(await until(supervisor, is_in("looping", "FAILED")), "looping").reason


async def test_a_load_error_is_tried_again_and_then_given_up() -> None:
    async with supervising(deployed("wrong", TROUBLED, trouble="raise")) as supervisor:
        failed = version_of(await until(supervisor, is_in("wrong", "FAILED")), "wrong")
        assert failed.reason == "ValueError: the weights are upside down"
        assert failed.instances[0].restarts == 4


async def test_a_permanent_load_error_fails_at_once() -> None:
    async with supervising(deployed("wrong", TROUBLED, trouble="refuse")) as supervisor:
        failed = version_of(await until(supervisor, is_in("wrong", "FAILED")), "wrong")
        assert failed.reason == "This entry can never work."
        assert failed.instances[0].restarts == 0


async def test_a_backend_that_does_not_exist_fails_at_once() -> None:
    async with supervising(deployed("wrong", "tests.integration.nowhere:Backend")) as supervisor:
        failed = version_of(await until(supervisor, is_in("wrong", "FAILED")), "wrong")
        assert "tests.integration.nowhere" in failed.reason
        assert failed.instances[0].restarts == 0


async def test_loading_for_too_long_is_ended() -> None:
    limits = Limits(load_timeout_s=2)
    async with supervising(deployed("slow", TROUBLED, trouble="hang", limits=limits), deployed("other")) as supervisor:
        first = await until(supervisor, lambda s: any(instance.pid for instance in version_of(s, "slow").instances))
        after = await until(supervisor, lambda s: bool(version_of(s, "slow").reason))
        assert version_of(after, "slow").state == "LOADING"
        assert "load_timeout_s" in version_of(after, "slow").reason
        await until_gone(instance_of(first, "slow").pid)
        await until_ready(supervisor, "other")


async def test_an_instance_that_is_suspended_is_taken_out_and_replaced() -> None:
    async with supervising(deployed("frozen", limits=Limits(stall_timeout_s=STALL_S)), deployed("other")) as supervisor:
        before = await until(supervisor, both_ready)
        frozen = instance_of(before, "frozen")
        suspend(frozen.pid)
        stalled = await until(supervisor, lambda s: instance_of(s, "frozen").state == "STALLED")
        assert version_of(stalled, "frozen").state == "UNAVAILABLE"
        after = await until(supervisor, both_ready)
        assert instance_of(after, "frozen").pid != frozen.pid
        assert instance_of(after, "other") == instance_of(before, "other")
        await until_gone(frozen.pid)


@pytest.mark.parametrize("how", ["make no progress", "block"])
async def test_an_instance_whose_work_stands_still_is_taken_out_and_replaced(how: str) -> None:
    async with supervising(deployed("stuck", TROUBLED, limits=Limits(stall_timeout_s=STALL_S))) as supervisor:
        stuck = await until_ready(supervisor, "stuck")
        async with connected(stuck.address) as client:
            with client.call(completion(how), stream=True, caller=Caller("stuck")) as call:
                stalled = await until(supervisor, lambda s: instance_of(s, "stuck").state == "STALLED")
                with pytest.raises(InstanceLost):
                    await until_first_text(call)
        assert version_of(stalled, "stuck").state == "UNAVAILABLE"
        assert (await until_ready(supervisor, "stuck")).pid != stuck.pid


async def test_idleness_and_slow_but_steady_work_are_no_stall() -> None:
    limits = Limits(stall_timeout_s=STALL_S)
    async with supervising(deployed("slow", token_delay_s=0.2, limits=limits)) as supervisor:
        slow = await until_ready(supervisor, "slow")
        async with connected(slow.address) as client:
            words = " ".join(map(str, range(int((STALL_S + 2 * UNREAD_S) / 0.2))))
            assert await answer(client, chat(words)) == words
        assert instance_of(supervisor.snapshot, "slow") == slow


async def test_what_an_engine_started_does_not_outlive_its_instance() -> None:
    async with supervising(deployed("parent", TROUBLED, trouble="leave a child")) as supervisor:
        parent = await until_ready(supervisor, "parent")
        (child,) = psutil.Process(parent.pid).children()
        kill(parent.pid)
        await until(supervisor, lambda s: instance_of(s, "parent").pid not in {None, parent.pid})
        await until_gone(child.pid)


async def test_a_source_that_fails_is_tried_again_and_says_how_far_it_is() -> None:
    good = deployed("late")
    allowed = asyncio.Event()
    loop = asyncio.get_running_loop()
    attempts: list[int] = []

    def specify(report: Report) -> ModelSpec:
        attempts.append(1)
        if len(attempts) < 3:
            raise OSError("the network is down")
        report("downloading 43 %")
        asyncio.run_coroutine_threadsafe(allowed.wait(), loop).result()
        return good.specify(report)

    late = Deployment(model="late", version=1, backend="test", tasks=[], specify=specify)
    async with supervising(late, deployed("other")) as supervisor:
        failing = await until(supervisor, lambda s: "the network is down" in version_of(s, "late").reason)
        assert version_of(failing, "late").state == "LOADING"
        await until(supervisor, lambda s: version_of(s, "late").reason == "downloading 43 %")
        await until_ready(supervisor, "other")
        allowed.set()
        await until_ready(supervisor, "late")


async def test_a_download_that_stands_still_does_not_hold_up_the_end() -> None:
    release = threading.Event()

    def specify(report: Report) -> ModelSpec:
        report("downloading 43 %")
        release.wait()
        raise OSError("too late")

    late = Deployment(model="late", version=1, backend="test", tasks=[], specify=specify)
    try:
        async with supervising(late) as supervisor:
            await until(supervisor, lambda s: version_of(s, "late").reason == "downloading 43 %")
            async with asyncio.timeout(LONG_S):
                await supervisor.drain(timeout_s=3600)
    finally:
        release.set()


async def test_a_source_that_keeps_failing_fails_the_version() -> None:
    def specify(report: Report) -> ModelSpec:
        raise OSError("the network is down")

    late = Deployment(model="late", version=1, backend="test", tasks=[], specify=specify)
    async with supervising(late, deployed("other")) as supervisor:
        failed = version_of(await until(supervisor, is_in("late", "FAILED")), "late")
        assert "the network is down" in failed.reason
        await until_ready(supervisor, "other")


async def test_garbage_closes_its_connection_and_nothing_else() -> None:
    async with supervising(deployed("sturdy")) as supervisor:
        sturdy = await until_ready(supervisor, "sturdy")
        async with connected(sturdy.address) as client:
            reader, writer = await asyncio.open_unix_connection(sturdy.address)
            writer.write(b"GET / HTTP/1.1\r\n\r\n" * 100)
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):  # noqa: PT012 - either read may meet it
                while True:
                    await asyncio.wait_for(reader.readexactly(1), 30)
            writer.close()
            assert await answer(client, chat("still here")) == "still here"
        assert instance_of(supervisor.snapshot, "sturdy") == sturdy


async def test_the_error_of_a_backend_reaches_the_log_and_not_the_caller() -> None:
    async with (
        supervising(deployed("faulty", TROUBLED)) as supervisor,
        connected((await until_ready(supervisor, "faulty")).address) as client,
    ):
        for trouble in ("raise", "be cancelled from inside"):
            with pytest.raises(InternalError, match="failed on this request") as caught:
                await answer(client, completion(trouble))
            assert "secret" not in str(caught.value)
        assert await answer(client, completion("now behave")) == "fine"


async def test_a_failed_call_to_nobody_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        await ChannelClient("nobody").connect(str(tmp_path / "nobody.sock"))
