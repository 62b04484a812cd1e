"""A repository of echoes whose versions can be told apart, for the tests of versions and of their aliases."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from jubako.dataplane.plane import DataPlane
from jubako.messages import Caller, ChatRequest, GenerateResult, Message, TokenizeRequest, VersionStatus
from tests.integration.runner_process import Runner, gateway
from tests.integration.runner_serving import LONG_S

MakeRepository = Callable[..., Path]

WORDS = " ".join(map(str, range(40)))


def entry(context_length: int, *, versions: str = "", delay_s: float = 0, load_delay_s: float = 0) -> str:
    """An entry whose versions say `context_length` when they are asked, so that it is seen which one answers."""
    engine = f"{{context_length: {context_length}, token_delay_s: {delay_s}, load_delay_s: {load_delay_s}}}"
    return f"backend: echo\nengine: {engine}\n{versions}\n"


def add_version(root: Path, number: int, engine: str, model: str = "m") -> None:
    (root / model / str(number)).mkdir()
    (root / model / str(number) / "version.yaml").write_text(f"engine: {engine}\n")


async def asked(plane: DataPlane, model: str) -> int:
    """The context length of whoever answers to `model`."""
    return (await plane.tokenize(TokenizeRequest(model=model, text="a"), Caller("test"))).context_length


async def saying(plane: DataPlane, model: str) -> asyncio.Task[str]:
    """The echo of `WORDS`, word by word; the first has come."""
    begun = asyncio.Event()

    async def say() -> str:
        request = ChatRequest(model=model, messages=[Message("user", WORDS)])
        events = []
        async for batch in plane.stream(request, Caller("test")):
            events += batch
            begun.set()
        return GenerateResult.from_events(events).choices[0].text

    task = asyncio.create_task(say())
    await asyncio.wait_for(begun.wait(), LONG_S)
    return task


async def until_answered(context_length: int, *answers: set[int]) -> None:
    """Until this is among the answers of each of some that are in constant use."""
    async with asyncio.timeout(LONG_S):
        while any(context_length not in each for each in answers):  # noqa: ASYNC110 - they are asked all the time
            await asyncio.sleep(0.02)


@asynccontextmanager
async def serving(runner: Runner) -> AsyncIterator[DataPlane]:
    async with gateway(runner) as plane:
        await runner.until(lambda snapshot: snapshot.started)
        async with asyncio.timeout(LONG_S):
            while not plane.ready():  # noqa: ASYNC110 - the plane is asked, as probes do
                await asyncio.sleep(0.02)
        yield plane


@asynccontextmanager
async def in_constant_use(plane: DataPlane, model: str) -> AsyncIterator[set[int]]:
    """Requests to `model`, several at every moment, none of which may fail; what they were answered is in the set."""
    answers: set[int] = set()
    enough = asyncio.Event()

    async def ask() -> None:
        while not enough.is_set():
            answers.add(await asked(plane, model))

    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(ask())
        try:
            yield answers
        finally:
            enough.set()


def indexed(plane: DataPlane, version: int, model: str = "m") -> VersionStatus:
    return next(status for status in plane.index() if (status.model, status.version) == (model, version))


def pid_of(plane: DataPlane, model: str) -> int:
    (instance,) = plane.model(model).instances
    assert instance.pid is not None
    return instance.pid
