"""Owns every instance of every model: starts them, replaces those that die, says how all are, and lets them end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from jubako.messages import Snapshot, VersionStatus
from jubako.runner.restarts import RestartPolicy
from jubako.runner.sockets import SocketFolder
from jubako.runner.version_runner import Deployment, VersionRunner

log = logging.getLogger(__name__)

KILL_S = 5.0
"""Longest wait for processes that were killed; the system may hold one that waits for a device."""


class Supervisor:
    """All deployments of one repository, as a context: entering starts them, leaving ends every process and socket.

    Enter it in the main thread's event loop: the kernel ends instances with the thread that started them.

    Args:
        deployments: What to run. Each lives and fails on its own.
        broken: Entries that can't be run and why, to be shown beside the others.
        policy: How patiently failures are met.
        socket_parent: Where to make the folder of the sockets. Default: the system's temporary folder.
    """

    def __init__(
        self,
        deployments: Sequence[Deployment],
        *,
        broken: Sequence[VersionStatus] = (),
        policy: RestartPolicy | None = None,
        socket_parent: Path | None = None,
    ) -> None:
        self._deployments = deployments
        self._broken = list(broken)
        self._policy = policy or RestartPolicy()
        self._socket_parent = socket_parent
        self._sockets: SocketFolder
        self._versions: list[VersionRunner] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._serial = 0
        self._change = asyncio.Event()
        self._draining = False
        self._ended = False

    async def __aenter__(self) -> Self:
        self._sockets = SocketFolder(self._socket_parent)
        self._versions = [VersionRunner(each, self._sockets, self._policy, self._changed) for each in self._deployments]
        self._tasks = [asyncio.create_task(version.run()) for version in self._versions]
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.drain(timeout_s=0)

    @property
    def snapshot(self) -> Snapshot:
        """How everything is now."""
        versions = [version.status() for version in self._versions]
        return Snapshot(serial=self._serial, versions=versions + self._broken, draining=self._draining)

    async def snapshots(self) -> AsyncGenerator[Snapshot, None]:
        """How everything is now, and again after each change, until all has ended. A slow reader misses what is no longer so."""
        while not self._ended:
            change = self._change
            yield self.snapshot
            await change.wait()

    def announce_draining(self) -> None:
        """Let watchers know that no new work should come. Instances go on until :meth:`drain`."""
        self._draining = True
        self._changed()

    async def drain(self, timeout_s: float) -> None:
        """Let instances finish the calls in flight, at most `timeout_s` seconds; then nothing is left of them."""
        if self._ended:
            return
        self.announce_draining()
        for version in self._versions:
            version.leave()
        await self._wait(timeout_s)
        for version in self._versions:
            version.kill()
        await self._wait(KILL_S)
        for task in self._tasks:
            task.cancel()
        self._sockets.remove()
        self._ended = True
        self._changed()

    async def _wait(self, timeout_s: float) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout_s)

    def _changed(self) -> None:
        self._serial += 1
        self._change.set()
        self._change = asyncio.Event()
