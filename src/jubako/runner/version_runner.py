"""Runs one version of one model: obtains its weights, keeps its instances, and says how it is."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from jubako.backends.base import ModelSpec
from jubako.errors import ConfigurationError
from jubako.messages import Task, VersionState, VersionStatus
from jubako.repository.config import Limits
from jubako.runner.daemon_thread import in_daemon_thread
from jubako.runner.instance_keeper import InstanceKeeper
from jubako.runner.restarts import RestartPolicy, Restarts, pause
from jubako.runner.sockets import SocketFolder

log = logging.getLogger(__name__)

Report = Callable[[str], None]
"""Takes a few words on how far something is. It may raise :class:`Abandoned`, to which the work should give way."""


class Abandoned(Exception):
    """Nobody wants the weights any more: the runner is leaving."""


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """One version, as it is to be run.

    Attributes:
        specify: What instances are told, once the weights are on disk. It may download for hours and runs in a thread.
        created: When the version was made, in Unix seconds.
    """

    model: str
    version: int
    backend: str
    tasks: list[Task]
    specify: Callable[[Report], ModelSpec]
    served_names: list[str] = field(default_factory=list)
    instances: int = 1
    limits: Limits = field(default_factory=Limits)
    created: int = 0


class VersionRunner:
    """One version and its instances. `changed` is called whenever :meth:`status` has."""

    def __init__(self, deployment: Deployment, sockets: SocketFolder, policy: RestartPolicy, changed: Callable[[], None]) -> None:
        self._deployment = deployment
        self._policy = policy
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        self._leaving = asyncio.Event()
        self._obtaining = "waiting for its weights"
        self._failed = False
        self._keepers = [
            InstanceKeeper(f"{deployment.model}:{deployment.version}#{number}", deployment.limits, sockets, policy, changed)
            for number in range(deployment.instances)
        ]

    async def run(self) -> None:
        """Until :meth:`leave` is called, or until every instance is given up."""
        try:
            if (spec := await self._obtain()) is not None:
                self._obtaining = ""
                await asyncio.gather(*(keeper.keep(spec) for keeper in self._keepers))
        except Exception as error:
            log.exception("%s:%d met a fault of the runner", self._deployment.model, self._deployment.version)
            self._failed = True
            self._say(f"a fault of the runner, which its log describes: {error}")

    def leave(self) -> None:
        """Finish the calls in flight and take no other."""
        self._leaving.set()
        for keeper in self._keepers:
            keeper.leave()
        self._changed()

    def kill(self) -> None:
        """End every process at once."""
        for keeper in self._keepers:
            keeper.kill()

    def status(self) -> VersionStatus:
        deployment = self._deployment
        state = self._state()
        return VersionStatus(
            model=deployment.model,
            version=deployment.version,
            state=state,
            served_names=deployment.served_names,
            tasks=deployment.tasks,
            backend=deployment.backend,
            reason=self._reason(state),
            instances=[] if self._obtaining else [keeper.status() for keeper in self._keepers],
            info=next((keeper.info for keeper in self._keepers if keeper.info is not None), None),
            created=deployment.created,
            timeout_s=deployment.limits.timeout_s,
        )

    def _state(self) -> VersionState:
        if any(keeper.state == "READY" for keeper in self._keepers):
            return "READY"
        if self._failed or all(keeper.gave_up for keeper in self._keepers):
            return "FAILED"
        if self._leaving.is_set():
            return "UNLOADED" if all(keeper.state == "STOPPED" for keeper in self._keepers) else "UNAVAILABLE"
        return "UNAVAILABLE" if any(keeper.was_ready for keeper in self._keepers) else "LOADING"

    def _reason(self, state: VersionState) -> str:
        if self._obtaining:
            return self._obtaining
        troubled = [keeper for keeper in self._keepers if keeper.reason]
        if state == "READY":
            # One instance fewer than asked for is worth a word even while the others answer.
            troubled = [keeper for keeper in troubled if keeper.gave_up]
        if troubled:
            return troubled[0].reason
        return "shutting down" if self._leaving.is_set() else ""

    async def _obtain(self) -> ModelSpec | None:
        restarts = Restarts(self._policy)
        while not self._leaving.is_set():
            permanent = False
            try:
                return await self._specification()
            except Abandoned:
                return None
            except ConfigurationError as error:
                reason, permanent = error.message, True
            except Exception as error:  # whatever a source may raise, other models must not notice
                log.debug("obtaining %s failed", self._deployment.model, exc_info=True)
                reason = f"{type(error).__name__}: {error}"
            delay_s = restarts.delay_after_failure(self._loop.time(), None)
            if permanent or delay_s is None:
                self._failed = True
                self._say(reason)
                log.error("%s:%d is given up: %s", self._deployment.model, self._deployment.version, reason)
                return None
            self._say(f"its weights could not be obtained and will be tried again: {reason}")
            await pause(delay_s, unless=self._leaving)
        return None

    async def _specification(self) -> ModelSpec:
        """
        Raises:
            Abandoned: the runner is leaving; a download that stands still is not waited for.
        """
        work = asyncio.ensure_future(in_daemon_thread(lambda: self._deployment.specify(self._report)))
        leaving = asyncio.ensure_future(self._leaving.wait())
        try:
            await asyncio.wait((work, leaving), return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise Abandoned
            return work.result()
        finally:
            work.cancel()
            leaving.cancel()

    def _report(self, words: str) -> None:
        """Called from the thread that obtains the weights."""
        if self._leaving.is_set():
            raise Abandoned
        self._loop.call_soon_threadsafe(self._say, words)

    def _say(self, words: str) -> None:
        if words != self._obtaining:
            self._obtaining = words
            self._changed()
