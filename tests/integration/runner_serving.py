"""What the tests of the runner share: deployments, and waiting for what a supervisor says."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import psutil

from jubako.backends.base import ModelSpec
from jubako.channel.client import ChannelClient, PendingCall
from jubako.messages import (
    Caller,
    ChatRequest,
    CompletionRequest,
    GenerateResult,
    InstanceStatus,
    Message,
    Result,
    SamplingParams,
    Snapshot,
    Task,
    VersionState,
    VersionStatus,
)
from jubako.repository.config import Limits
from jubako.runner.deployment import Deployment, Plan
from jubako.runner.restarts import RestartPolicy
from jubako.runner.supervisor import ReadPlan, Supervisor

ECHO = "jubako.backends.echo.backend:EchoBackend"
TROUBLED = "tests.integration.runner_backends:Troubled"
TASKS: list[Task] = ["chat", "completion", "embedding"]

IMPATIENT = RestartPolicy(first_delay_s=0.02, longest_delay_s=0.1, crash_window_s=3600)
"""The real policy, with delays for tests; a busy machine may take any time to start five processes."""

LONG_S = 40.0
"""More than anything here takes on a busy machine."""

STALL_S = 4.0
"""Longer than a healthy instance's heartbeat takes on a busy machine."""


def deployed(
    model: str,
    implementation: str = ECHO,
    *,
    version: int = 1,
    fingerprint: str = "",
    calls_models: bool = False,
    instances: int = 1,
    limits: Limits | None = None,
    max_queue_size: int = 128,
    tasks: list[Task] = TASKS,
    **params: object,
) -> Deployment:
    spec = ModelSpec(
        model=model, version=version, implementation=implementation, tasks=tasks, params=params, max_queue_size=max_queue_size
    )
    return Deployment(
        model=model,
        version=version,
        backend="test",
        tasks=tasks,
        specify=lambda report: spec,
        fingerprint=fingerprint,
        calls_models=calls_models,
        instances=instances,
        limits=limits or Limits(),
    )


@asynccontextmanager
async def supervising(
    *deployments: Deployment, read: ReadPlan | None = None, policy: RestartPolicy = IMPATIENT
) -> AsyncIterator[Supervisor]:
    async with Supervisor(list(plans(*deployments).values()), read=read, policy=policy) as supervisor:
        yield supervisor


def plans(*deployments: Deployment) -> dict[str, Plan]:
    """A plan for each model, by its name."""
    return {
        model: Plan(model=model, deployments=[each for each in deployments if each.model == model])
        for model in dict.fromkeys(each.model for each in deployments)
    }


async def until(supervisor: Supervisor, condition: Callable[[Snapshot], bool]) -> Snapshot:
    async with asyncio.timeout(LONG_S):
        async for snapshot in supervisor.snapshots():
            if condition(snapshot):
                return snapshot
    raise AssertionError("the supervisor ended")


def version_of(snapshot: Snapshot, model: str) -> VersionStatus:
    return next(version for version in snapshot.versions if version.model == model)


def instance_of(snapshot: Snapshot, model: str) -> InstanceStatus:
    return version_of(snapshot, model).instances[0]


def is_in(model: str, state: VersionState) -> Callable[[Snapshot], bool]:
    return lambda snapshot: version_of(snapshot, model).state == state


async def until_ready(supervisor: Supervisor, model: str) -> InstanceStatus:
    return instance_of(await until(supervisor, is_in(model, "READY")), model)


@asynccontextmanager
async def connected(address: str) -> AsyncIterator[ChannelClient]:
    client = ChannelClient("under-test")
    await client.connect(address)
    try:
        yield client
    finally:
        client.close()
        await client.wait_closed()


def chat(text: str, *, max_tokens: int | None = None) -> ChatRequest:
    sampling = SamplingParams(max_tokens=max_tokens)
    return ChatRequest(model="any", messages=[Message(role="user", content=text)], sampling=sampling)


def completion(prompt: str) -> CompletionRequest:
    return CompletionRequest(model="any", prompts=[prompt])


async def answer(client: ChannelClient, request: ChatRequest | CompletionRequest) -> str:
    with client.call(request, stream=False, caller=Caller("test")) as call:
        result: Result = await asyncio.wait_for(call.result(), LONG_S)
    assert isinstance(result, GenerateResult)
    return result.choices[0].text


async def until_first_text(call: PendingCall) -> None:
    async with asyncio.timeout(LONG_S):
        async for _ in call.batches():
            return


def kill(pid: int | None) -> None:
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


def suspend(pid: int | None) -> None:
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)


def resume(pid: int | None) -> None:
    assert pid is not None
    os.kill(pid, signal.SIGCONT)


def exists(path: str) -> bool:
    return Path(path).exists()


async def until_gone(*pids: int | None) -> None:
    """Until each of these processes has ended (a zombie has)."""

    def lives(pid: int) -> bool:
        try:
            return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    async with asyncio.timeout(LONG_S):
        while any(pid is not None and lives(pid) for pid in pids):  # noqa: ASYNC110 - the system tells of no stranger's end
            await asyncio.sleep(0.02)
