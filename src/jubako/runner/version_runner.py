"""Runs one version of one model: obtains its weights, keeps its instances, and says how it is."""

from __future__ import annotations

import asyncio
import logging

import msgspec

from jubako.backends.base import ModelSpec
from jubako.errors import ConfigurationError
from jubako.messages import ModelInfo, VersionState, VersionStatus
from jubako.repository.model_configuration import completed_configuration
from jubako.routing import text_tensors
from jubako.runner.daemon_thread import in_daemon_thread
from jubako.runner.deployment import Abandoned, Deployment
from jubako.runner.instance_keeper import InstanceKeeper
from jubako.runner.premises import Premises
from jubako.runner.restarts import Restarts, pause

log = logging.getLogger(__name__)

KILL_S = 5.0
"""Longest wait for processes that were killed; the system may hold one that waits for a device."""


class VersionRunner:
    """One version and its instances, which start with it. Two generations of a version are two of these."""

    def __init__(self, deployment: Deployment, premises: Premises) -> None:
        self._deployment = deployment
        self._premises = premises
        self._loop = asyncio.get_running_loop()
        self._change = asyncio.Event()
        self._leaving = asyncio.Event()
        self._why_leaving = ""
        self._obtaining = "waiting for its weights"
        self._failed = False
        self._completed: tuple[ModelInfo, str] | None = None
        self._keepers = [
            InstanceKeeper(f"{deployment.model}:{deployment.version}#{number}", deployment, premises, self._changed)
            for number in range(deployment.instances)
        ]
        self._task = self._loop.create_task(self._run())

    @property
    def number(self) -> int:
        return self._deployment.version

    @property
    def failed(self) -> bool:
        return self._state() == "FAILED"

    @property
    def ready(self) -> bool:
        return self._state() == "READY"

    def serves(self, deployment: Deployment) -> bool:
        """Whether `deployment` needs no instances but those that are here."""
        return not self.failed and not self._leaving.is_set() and self._deployment.fingerprint == deployment.fingerprint

    def describe(self, deployment: Deployment) -> None:
        """Take from `deployment`, which :meth:`serves` has found the same, what instances are not told: names and the like."""
        self._deployment = deployment
        self._changed()

    async def settled(self) -> None:
        """Return once every instance is ready or given up, or once they leave."""
        while not self._is_settled():
            await self._change.wait()

    def leave(self, why: str = "shutting down") -> None:
        """Finish the calls in flight and take no other."""
        self._why_leaving = self._why_leaving or why
        self._leaving.set()
        for keeper in self._keepers:
            keeper.leave()
        self._changed()

    def kill(self) -> None:
        """End every process at once."""
        for keeper in self._keepers:
            keeper.kill()

    async def end(self, timeout_s: float) -> None:
        """After :meth:`leave`: return once no process is left. What is not done within `timeout_s` seconds is killed."""
        await asyncio.wait((self._task,), timeout=timeout_s)
        self.kill()
        await asyncio.wait((self._task,), timeout=KILL_S)
        self._task.cancel()

    async def drained(self) -> None:
        """:meth:`end`, for as long as a request may take."""
        await self.end(self._deployment.limits.timeout_s)

    def status(self) -> VersionStatus:
        state = self._state()
        return msgspec.structs.replace(
            self._deployment.status(state, self._reason(state)),
            instances=[] if self._obtaining else [keeper.status() for keeper in self._keepers],
            info=self._info(),
            config=self._configuration(),
        )

    def _info(self) -> ModelInfo | None:
        return next((keeper.info for keeper in self._keepers if keeper.info is not None), None)

    def _configuration(self) -> str:
        """The entry as the protocol shows it, completed once a process has said what the model takes and gives."""
        info = self._info()
        if info is None or not self._deployment.config:
            return self._deployment.config
        if self._completed is None or self._completed[0] is not info:
            text = text_tensors.of_tasks(self._deployment.tasks)
            self._completed = (info, completed_configuration(self._deployment.config, info.signature or text))
        return self._completed[1]

    async def _run(self) -> None:
        try:
            if (spec := await self._obtain()) is not None:
                self._obtaining = ""
                await asyncio.gather(*(keeper.keep(spec) for keeper in self._keepers))
        except Exception as error:
            log.exception("%s:%d met a fault of the runner", self._deployment.model, self._deployment.version)
            self._failed = True
            self._say(f"a fault of the runner, which its log describes: {error}")

    def _is_settled(self) -> bool:
        instances = self._failed or all(keeper.state == "READY" or keeper.gave_up for keeper in self._keepers)
        return instances or self._leaving.is_set()

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
        return self._why_leaving

    async def _obtain(self) -> ModelSpec | None:
        restarts = Restarts(self._premises.policy)
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
            Abandoned: the version is leaving; a download that stands still is not waited for.
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

    def _changed(self) -> None:
        self._change.set()
        self._change = asyncio.Event()
        self._premises.changed()
