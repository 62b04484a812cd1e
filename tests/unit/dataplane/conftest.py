"""A data plane over real channels to instances in this process, and a runner that says what the test wants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path

import msgspec
import pytest

from jubako.channel.frames import Load
from jubako.channel.server import CallContext, Cancel, ChannelServer, Done
from jubako.dataplane.control import Control
from jubako.dataplane.metrics import Metrics
from jubako.dataplane.plane import DataPlane
from jubako.messages import (
    Caller,
    Choice,
    Delta,
    GenerateEvent,
    GenerateResult,
    InferRequest,
    InstanceState,
    InstanceStatus,
    Request,
    Result,
    Snapshot,
    StatisticsRequest,
    StatisticsResult,
    Timings,
    Usage,
    VersionState,
    VersionStatus,
)
from jubako.routing.fleet import Fleet


class Model:
    """Answers with its own name, once `gate` is open. Counts what it was asked and what was cancelled."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked = 0
        self.cancelled = 0
        self.queues = False
        self.counted: StatisticsResult | None = StatisticsResult()
        """What it says of itself; with None it does not answer."""

    def submit(self, request: InferRequest, done: Done, caller: Caller) -> Cancel | None:
        return None

    async def answer(self, request: Request, call: CallContext) -> Result:
        if isinstance(request, StatisticsRequest):
            return self.counted if self.counted is not None else await asyncio.Future()
        await self._pass(call)
        return GenerateResult(
            choices=[Choice(0, text=self.name)],
            usage=Usage(prompt_tokens=3, completion_tokens=1),
            timings=Timings(queue_s=0.02, first_token_s=0.2, gaps_s=[0.03]),
        )

    async def stream(self, request: Request, call: CallContext) -> AsyncGenerator[GenerateEvent, None]:
        yield Delta(0, text=self.name)
        await self._pass(call)
        yield Delta(0, finish_reason="stop")
        yield Usage(prompt_tokens=3, completion_tokens=1)

    async def _pass(self, call: CallContext) -> None:
        self.asked += 1
        if self.queues:
            call.queued()
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise


class FakeRunner:
    """The runner's word, and the instances that it would have started."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._snapshots: asyncio.Queue[Snapshot] = asyncio.Queue()
        self._servers: dict[str, asyncio.Server] = {}
        self._channels: dict[str, ChannelServer] = {}
        self._serial = 0
        self.kv_cache_usage: float | None = None

    async def start_instance(self, name: str) -> Model:
        model = Model(name)

        def load() -> Load:
            return Load(running=channel.in_flight, queued=0, capacity=2, progress=0, kv_cache_usage=self.kv_cache_usage)

        channel = ChannelServer(model, load)
        self._channels[name] = channel
        self._servers[name] = await asyncio.get_running_loop().create_unix_server(channel.connect, self.address(name))
        return model

    def break_connections(self, name: str) -> None:
        for connection in list(self._channels[name]._connections):
            connection.close()

    def address(self, name: str) -> str:
        return str(self._folder / f"{name}.sock")

    def instance(self, name: str, state: InstanceState = "READY") -> InstanceStatus:
        return InstanceStatus(id=name, address=self.address(name), state=state)

    async def drain(self, name: str) -> None:
        await self._channels[name].drain()

    def say(self, *versions: VersionStatus, draining: bool = False, started: bool = False) -> None:
        self._serial += 1
        self._snapshots.put_nowait(Snapshot(serial=self._serial, versions=list(versions), draining=draining, started=started))

    async def watch(self) -> AsyncIterator[Snapshot]:
        while True:
            yield await self._snapshots.get()

    def close(self) -> None:
        for server in self._servers.values():
            server.close()


def version(
    *instances: InstanceStatus, model: str = "m", number: int = 1, state: VersionState = "READY", **more: object
) -> VersionStatus:
    base = VersionStatus(
        model=model, version=number, state=state, served_names=[model], tasks=["chat"], backend="echo", instances=list(instances)
    )
    return msgspec.structs.replace(base, **more)


@pytest.fixture
async def runner(tmp_path: Path) -> AsyncIterator[FakeRunner]:
    runner = FakeRunner(tmp_path)
    yield runner
    runner.close()


@pytest.fixture
async def fleet(runner: FakeRunner) -> AsyncIterator[Fleet]:
    fleet = Fleet(runner.watch)
    fleet.start()
    yield fleet
    await fleet.stop()


@pytest.fixture
def plane(fleet: Fleet) -> DataPlane:
    return DataPlane(fleet, Metrics(), Control("nobody.sock"))
