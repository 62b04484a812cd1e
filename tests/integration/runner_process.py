"""A runner in a process of its own, as gateways and operators meet it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import httpx

from jubako.dataplane.control import Control
from jubako.dataplane.metrics import Metrics
from jubako.dataplane.plane import DataPlane
from jubako.messages import InstanceStatus, Snapshot
from jubako.routing.fleet import Fleet
from jubako.routing.watch import watch
from tests.integration.runner_serving import LONG_S, instance_of, is_in

SERVER = """
import logging, sys, uvicorn
from jubako.runner.control import control_application
from jubako.settings import load_settings
logging.basicConfig(level=logging.INFO)
uvicorn.run(control_application(load_settings().settings), uds=sys.argv[1], log_config=None)
"""


class Runner:
    """A runner in a process of its own, over a real repository.

    Args:
        folder: Of its own.
        temporary: Where it makes the folder of its sockets.
    """

    def __init__(self, repository: Path, folder: Path, temporary: Path, grace_period_s: float) -> None:
        self.socket = str(folder / "runner.sock")
        environment = {
            **os.environ,
            "JUBAKO_REPOSITORY": str(repository),
            "JUBAKO_CACHE_DIR": str(folder / "cache"),
            "JUBAKO_GRACE_PERIOD_S": str(grace_period_s),
            "TMPDIR": str(temporary),
        }
        self.process = subprocess.Popen([sys.executable, "-c", SERVER, self.socket], env=environment)

    async def until(self, condition: Callable[[Snapshot], bool]) -> Snapshot:
        async with asyncio.timeout(LONG_S), aclosing(self.watching()) as snapshots:
            async for snapshot in snapshots:
                if condition(snapshot):
                    return snapshot
        raise AssertionError("a watch ended without an error")

    async def watching(self) -> AsyncGenerator[Snapshot, None]:
        """Snapshots, once the runner's own socket is there."""
        while not self._listens():
            assert self.process.poll() is None, "the runner ended while it started"
            await asyncio.sleep(0.02)
        async with aclosing(watch(self.socket)) as snapshots:
            async for snapshot in snapshots:
                yield snapshot

    def _listens(self) -> bool:
        # The socket is there a moment before anybody listens.
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(self.socket) == 0

    async def instance(self, model: str) -> InstanceStatus:
        return instance_of(await self.until(is_in(model, "READY")), model)

    def get(self, path: str) -> httpx.Response:
        with httpx.Client(transport=httpx.HTTPTransport(uds=self.socket), base_url="http://runner", timeout=LONG_S) as client:
            return client.get(path)

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    async def ended(self) -> int:
        return await asyncio.to_thread(self.process.wait, LONG_S)


MakeRunner = Callable[..., Runner]


@asynccontextmanager
async def gateway(runner: Runner, *, delay_s: float = 0) -> AsyncIterator[DataPlane]:
    """What a gateway process has besides its front ends, and what the runner says it may answer, heard `delay_s` late."""

    async def heard() -> AsyncIterator[Snapshot]:
        async with aclosing(watch(runner.socket)) as snapshots:
            async for snapshot in snapshots:
                await asyncio.sleep(delay_s)
                yield snapshot

    fleet = Fleet(heard)
    fleet.start()
    try:
        yield DataPlane(fleet, Metrics(), Control(runner.socket), shares_memory=True)
    finally:
        await fleet.stop()
