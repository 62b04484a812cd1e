"""The instances that go by the runner's snapshots, because they ask other models."""

from __future__ import annotations

import asyncio

from jubako.runner.instance_process import InstanceProcess

HEARD_S = 5.0
"""How long an instance is waited for that does not say that it has heard: it may be stopped, or its model's code may block it."""


class Followers:
    """Those of them that can be asked; whoever starts or ends one says so."""

    def __init__(self) -> None:
        self._processes: set[InstanceProcess] = set()

    def add(self, process: InstanceProcess) -> None:
        self._processes.add(process)

    def discard(self, process: InstanceProcess) -> None:
        self._processes.discard(process)

    async def have_heard(self, serial: int) -> None:
        """Return once all go by the snapshot `serial` or a later one, or after `HEARD_S` seconds."""
        hearing = [asyncio.ensure_future(process.has_heard(serial)) for process in self._processes]
        if hearing:
            _, deaf = await asyncio.wait(hearing, timeout=HEARD_S)
            for each in deaf:
                each.cancel()
