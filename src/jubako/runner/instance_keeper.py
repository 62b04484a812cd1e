"""Keeps one instance alive: a process after the other, until it is told to leave or trying again is useless."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from jubako.backends.base import ModelSpec
from jubako.messages import InstanceState, InstanceStatus, ModelInfo
from jubako.runner.deployment import Deployment
from jubako.runner.instance_process import InstanceExited, InstanceProcess, LoadError, Stalled
from jubako.runner.premises import Premises
from jubako.runner.restarts import Restarts, pause

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class _Failure:
    reason: str
    ready_since: float | None = None
    permanent: bool = False


class InstanceKeeper:
    """One instance through all its processes. Each process has an address of its own.

    `changed` is called whenever :meth:`status` has. `reason` says why the last process ended; `gave_up`, that there will be no
    other; `was_ready`, that some process has been ready.
    """

    def __init__(self, name: str, deployment: Deployment, premises: Premises, changed: Callable[[], None]) -> None:
        self.name = name
        self.reason = ""
        self.gave_up = False
        self.was_ready = False
        self.info: ModelInfo | None = None
        self._limits = deployment.limits
        self._sockets = premises.sockets
        self._policy = premises.policy
        self._snapshots = premises.snapshots if deployment.calls_models else None
        self._followers = premises.followers
        self._changed = changed
        self._state: InstanceState = "STARTING"
        self._address = ""
        self._restarts = 0
        self._process: InstanceProcess | None = None
        self._leaving = asyncio.Event()

    @property
    def state(self) -> InstanceState:
        return self._state

    def status(self) -> InstanceStatus:
        pid = self._process.pid if self._process is not None else None
        return InstanceStatus(id=self.name, address=self._address, state=self._state, pid=pid, restarts=self._restarts)

    async def keep(self, spec: ModelSpec) -> None:
        """Run `spec` until :meth:`leave` is called, or until it has failed too often."""
        restarts = Restarts(self._policy)
        while not self._leaving.is_set():
            failure = await self._run_one_process(spec)
            if self._leaving.is_set():
                break
            self.reason = failure.reason
            delay_s = restarts.delay_after_failure(asyncio.get_running_loop().time(), failure.ready_since)
            if failure.permanent or delay_s is None:
                self.gave_up = True
                log.error("%s is given up: %s", self.name, failure.reason)
                break
            log.warning("%s will be started again in %.1f s: %s", self.name, delay_s, failure.reason)
            self._restarts += 1
            self._become("STARTING")
            await pause(delay_s, unless=self._leaving)
        self._become("STOPPED")

    def leave(self) -> None:
        """Finish the calls in flight, take no other, and let :meth:`keep` return."""
        self._leaving.set()
        if self._process is None:
            return
        if self._state == "READY":
            self._process.drain()
            self._become("DRAINING")
        else:
            self._process.kill()

    def kill(self) -> None:
        """End the process at once, whatever it does."""
        if self._process is not None:
            self._process.kill()

    async def _run_one_process(self, spec: ModelSpec) -> _Failure:
        try:
            address, listening = self._sockets.listen()
        except OSError as error:
            return _Failure(reason=f"the system gives no socket: {error}")
        try:
            # The child has its own copy of the socket; ours goes, so that the socket dies with the child.
            with listening:
                process = await InstanceProcess.start(self.name, spec, listening, self._sockets.temporary(address))
            if self._snapshots is not None:
                process.follow(self._snapshots())
            return await self._see_through(process, address)
        except OSError as error:
            return _Failure(reason=f"the system can't start a process: {error}")
        finally:
            self._sockets.forget(address)

    async def _see_through(self, process: InstanceProcess, address: str) -> _Failure:
        self._process, self._address = process, address
        if self._leaving.is_set():
            process.kill()
        self._become("STARTING")
        ready_since: float | None = None
        try:
            hello = await process.loaded(self._limits.load_timeout_s)
            ready_since = asyncio.get_running_loop().time()
            self._welcome(hello.info)
            if self._snapshots is not None:
                self._followers.add(process)
            await process.work(self._limits.stall_timeout_s)
        except LoadError as error:
            return _Failure(reason=error.reason, permanent=error.permanent)
        except InstanceExited:
            pass
        except Stalled as stall:
            self._become("STALLED")
            return _Failure(reason=f"the process {stall} and was replaced", ready_since=ready_since)
        finally:
            how_it_ended = await process.end()
            self._followers.discard(process)
            self._process, self._address = None, ""
        return _Failure(reason=how_it_ended, ready_since=ready_since)

    def _welcome(self, info: ModelInfo) -> None:
        if self._leaving.is_set():
            self.kill()
            return
        self.info = info
        self.was_ready = True
        self.reason = ""
        self._become("READY")

    def _become(self, state: InstanceState) -> None:
        self._state = state
        self._changed()
