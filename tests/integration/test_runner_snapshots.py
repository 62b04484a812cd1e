"""What instances that ask other models are told of them."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncGenerator
from pathlib import Path

from jubako.backends.base import ModelSpec
from jubako.messages import Snapshot, VersionStatus
from jubako.runner.instance_process import InstanceProcess
from jubako.runner.sockets import SocketFolder
from tests.integration.runner_serving import ECHO, LONG_S

LARGE = Snapshot(
    serial=1,
    versions=[
        VersionStatus(model="m", version=1, state="LOADING", served_names=[], tasks=[], backend="echo", reason="r" * 100_000)
    ],
)


class Counted:
    """Snapshots without end, and how many of them were taken."""

    def __init__(self) -> None:
        self.taken = 0

    async def snapshots(self) -> AsyncGenerator[Snapshot, None]:
        while True:
            self.taken += 1
            yield LARGE
            await asyncio.sleep(0.001)


async def test_an_instance_that_does_not_read_is_told_no_more_until_it_does(tmp_path: Path) -> None:
    counted = Counted()
    with SocketFolder() as sockets:
        address, listening = sockets.listen()
        with listening:
            spec = ModelSpec(model="m", version=1, implementation=ECHO, tasks=["chat"])
            process = await InstanceProcess.start("m", spec, listening, tmp_path)
        try:
            await process.loaded(LONG_S)
            os.kill(process.pid, signal.SIGSTOP)
            process.follow(counted.snapshots())
            before = await until_it_rests(counted)
            assert 1 <= before < 50
            os.kill(process.pid, signal.SIGCONT)
            async with asyncio.timeout(LONG_S):
                while counted.taken < before + 50:  # noqa: ASYNC110 - a count has no event
                    await asyncio.sleep(0.02)
        finally:
            await process.end()
            sockets.forget(address)


async def until_it_rests(counted: Counted) -> int:
    """How many snapshots were taken, once no more are."""
    async with asyncio.timeout(LONG_S):
        while True:
            taken = counted.taken
            await asyncio.sleep(0.3)
            if taken and taken == counted.taken:
                return taken
