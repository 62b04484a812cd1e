"""Owns every instance of every model: starts them, replaces those that die, says how all are, and lets them end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from jubako.errors import Conflict, InvalidRequest, JubakoError, ModelFailed, ModelNotFound, ModelNotReady
from jubako.messages import SharedRegion, Snapshot
from jubako.model_names import WHAT_AN_ALIAS_IS, is_alias
from jubako.runner.daemon_thread import in_daemon_thread
from jubako.runner.deployment import Plan
from jubako.runner.followers import Followers
from jubako.runner.model_runner import ModelRunner
from jubako.runner.needs import Needs
from jubako.runner.premises import Premises
from jubako.runner.regions import Regions
from jubako.runner.restarts import RestartPolicy
from jubako.runner.sockets import SocketFolder

log = logging.getLogger(__name__)

ReadPlan = Callable[[str], Plan]
"""What the entry of this name says now. It reads files, so it runs in a thread. Raises ModelNotFound."""


KeepAlias = Callable[[str, str, int | None], None]
"""Writes down for a model that an alias means the version of a number, or nothing. It runs in a thread. Raises Conflict."""


class Supervisor:
    """All models of one repository, as a context: entering starts them, leaving ends every process and socket.

    Enter it in the main thread's event loop: the kernel ends instances with the thread that started them.

    Args:
        plans: What to run. Each model lives and fails on its own, but for those that need others.
        read: Reads an entry again when it is to be loaded, on request or once what it needs is there. Default: nothing can be.
        keep_alias: Writes down what an alias means. Default: none can be set.
        policy: How patiently failures are met.
        socket_parent: Where to make the folder of the sockets. Default: the system's temporary folder.
    """

    def __init__(
        self,
        plans: Sequence[Plan],
        *,
        read: ReadPlan | None = None,
        keep_alias: KeepAlias | None = None,
        policy: RestartPolicy | None = None,
        socket_parent: Path | None = None,
    ) -> None:
        self._plans = plans
        self._read = read or _read_nothing
        self._keep_alias = keep_alias or _keep_nothing
        self._policy = policy or RestartPolicy()
        self._socket_parent = socket_parent
        self._premises: Premises
        self._followers = Followers()
        self._models: dict[str, ModelRunner] = {}
        self._needs = Needs()
        self._regions = Regions()
        self._loads: set[asyncio.Task[None]] = set()
        self._serial = 0
        self._change = asyncio.Event()
        self._begun = False
        self._started = False
        self._draining = False
        self._ended = False

    async def __aenter__(self) -> Self:
        self._premises = Premises(
            sockets=SocketFolder(self._socket_parent),
            policy=self._policy,
            changed=self._changed,
            snapshots=self.snapshots,
            followers=self._followers,
        )
        for plan in self._plans:
            self._needs.note(plan)
        for plan in self._plans:
            self._begin(plan)
        self._begun = True
        self._changed()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.drain(timeout_s=0)

    @property
    def snapshot(self) -> Snapshot:
        """How everything is now."""
        return Snapshot(
            serial=self._serial,
            versions=[status for model in self._models.values() for status in model.statuses()],
            regions=self._regions.all(),
            started=self._started,
            draining=self._draining,
        )

    async def snapshots(self) -> AsyncGenerator[Snapshot, None]:
        """How everything is now, and again after each change, until all has ended. A slow reader misses what is no longer so."""
        while not self._ended:
            change = self._change
            yield self.snapshot
            await change.wait()

    async def heard(self) -> int:
        """The serial of a snapshot that shows what was done before; return once instances that ask others go by it too."""
        serial = self._serial
        await self._followers.have_heard(serial)
        return serial

    # What the control plane is told

    async def load(self, model: str) -> None:
        """Read the entry of `model` again and serve what it says; return once that can answer.

        What it needs and is not served is loaded first. Cancelling the wait does not end the load.

        Raises:
            ModelNotFound: there is no such entry.
            ModelFailed: something in it is wrong or can't be loaded; the message says what. What was served before still is.
        """
        await self._see_through(self._load(model))

    async def unload(self, model: str) -> None:
        """Serve `model` no longer; return once its processes are gone. Calls in flight are finished first.

        Models that need it stay, and fail where they ask it.

        Raises:
            ModelNotFound: there is no such model.
        """
        if model not in self._models:
            # An entry that was added after the start and never loaded is there, and is not served.
            await in_daemon_thread(lambda: self._read(model))
            return
        if dependents := [name for name in self._needs.dependents(model) if name in self._models and self._models[name].ready]:
            log.warning("%s is unloaded, and %s will fail to ask it until it is loaded again", model, ", ".join(dependents))
        await self._see_through(self._models[model].unload())

    async def set_alias(self, model: str, alias: str, number: int) -> None:
        """Let `alias` mean a version of `model`; return once every new request goes there.

        A model that is not loaded is loaded first, and so is the version.

        Raises:
            InvalidRequest: the alias can't be one.
            ModelNotFound: there is no such entry, or no such version of it.
            ModelFailed: the version can't be loaded.
            Conflict: the repository can't be written. Whatever is raised, the alias means what it meant.
        """
        if not is_alias(alias):
            raise InvalidRequest(f"{alias!r} can't be an alias: {WHAT_AN_ALIAS_IS}.", param="alias")
        await self._see_through(self._set_alias(model, alias, number))

    async def delete_alias(self, model: str, alias: str) -> None:
        """Let `alias` mean nothing.

        Raises:
            ModelNotFound: there is no such entry.
            NotFound: it has no such alias.
            Conflict: the repository can't be written; nothing has changed.
        """
        await self._see_through(self._delete_alias(model, alias))

    def register_region(self, region: SharedRegion) -> None:
        """
        Raises:
            InvalidRequest: as :meth:`Regions.register`.
        """
        self._regions.register(region)
        self._changed()

    def unregister_region(self, name: str | None) -> None:
        """Forget one region, or all."""
        self._regions.unregister(name)
        self._changed()

    # The end

    def announce_draining(self) -> None:
        """Let watchers know that no new work should come. Instances go on until :meth:`drain`."""
        self._draining = True
        self._changed()

    async def drain(self, timeout_s: float) -> None:
        """Let instances finish the calls in flight, at most `timeout_s` seconds; then nothing is left of them."""
        if self._ended:
            return
        self.announce_draining()
        for model in self._models.values():
            model.leave()
        await asyncio.gather(*(model.end(timeout_s) for model in self._models.values()))
        for task in self._loads:
            task.cancel()
        self._premises.sockets.remove()
        self._ended = True
        self._changed()

    # How

    def _begin(self, plan: Plan) -> None:
        model = self._model(plan.model)
        if not plan.at_start:
            model.postpone(plan)
        elif plan.needs:
            model.wait(plan)
            self._go_on(self._load(plan.model))
        else:
            model.start(plan)

    async def _load(self, name: str) -> None:
        if name not in self._models:
            await in_daemon_thread(lambda: self._read(name))
        await self._model(name).load(lambda: self._plan(name), self._obtain)

    async def _set_alias(self, name: str, alias: str, number: int) -> None:
        if name not in self._models or not self._models[name].loaded:
            # One of its versions may be broken beside the one that is meant.
            with suppress(ModelFailed):
                await self._load(name)
        await self._model(name).set_alias(alias, number, lambda: self._plan(name), self._keeping(name, alias, number))

    async def _delete_alias(self, name: str, alias: str) -> None:
        if name not in self._models:
            plan = await self._plan(name)
            self._model(name).postpone(plan)
        await self._models[name].delete_alias(alias, self._keeping(name, alias, None))

    def _keeping(self, name: str, alias: str, number: int | None) -> Callable[[], Awaitable[None]]:
        return lambda: in_daemon_thread(lambda: self._keep_alias(name, alias, number))

    async def _plan(self, name: str) -> Plan:
        plan = await in_daemon_thread(lambda: self._read(name))
        if self._draining:
            raise _shutting_down()
        self._needs.note(plan)
        mine = plan.names - {name}
        for other in self._models.values():
            theirs = {name for status in other.statuses() for name in (status.model, *status.served_names)}
            if other.name != name and (taken := mine & theirs):
                raise ModelFailed(
                    f"The model {name!r} could not be loaded: its `served_names` claim {min(taken)!r}, "
                    f"which is a name of {other.name!r}. Only one model can have a name."
                )
        return plan

    async def _obtain(self, plan: Plan) -> str:
        """Load what `plan` needs and is not served. Returns why it can't be had, in a sentence, or ""."""
        if circle := await self._circle(plan.model):
            return f"the models need each other in a circle: {' needs '.join(map(repr, circle))}."
        if plan.needs:
            self._model(plan.model).wait(plan)
        failures = await asyncio.gather(*(self._obtain_one(name) for name in self._needs.of(plan.model)))
        return next(filter(None, failures), "")

    async def _circle(self, name: str) -> list[str]:
        """As :meth:`Needs.circle`, of the entries as they are now: one of them may have been mended since it was read."""
        read = {name}
        while unread := set(circle := self._needs.circle(name)) - read:
            for other in unread:
                try:
                    self._needs.note(await in_daemon_thread(partial(self._read, other)))
                except ModelNotFound:
                    self._needs.forget(other)
            read |= unread
        return circle

    async def _obtain_one(self, name: str) -> str:
        if name in self._models and self._models[name].ready:
            return ""
        try:
            await self._load(name)
        except JubakoError as error:
            # One of its versions may be broken beside another that answers.
            if name not in self._models or not self._models[name].ready:
                return f"it needs {name!r}. {error.message}"
        return ""

    async def _see_through(self, work: Coroutine[None, None, None]) -> None:
        """Await `work`, which goes on if its caller does not."""
        if self._draining:
            work.close()
            raise _shutting_down()
        await asyncio.shield(self._go_on(work))

    def _go_on(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._loads.add(task)
        task.add_done_callback(self._over)
        return task

    def _over(self, task: asyncio.Task[None]) -> None:
        self._loads.discard(task)
        # Said here too, because whoever asked may have gone.
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("%s", error)

    def _model(self, name: str) -> ModelRunner:
        return self._models.setdefault(name, ModelRunner(name, self._premises))

    def _changed(self) -> None:
        self._serial += 1
        statuses = (status for model in self._models.values() for status in model.statuses())
        self._started = self._started or (self._begun and not any(status.state == "LOADING" for status in statuses))
        self._change.set()
        self._change = asyncio.Event()


def _shutting_down() -> ModelNotReady:
    return ModelNotReady("The server is shutting down. Try again in a moment.", retry_after_s=2)


def _keep_nothing(model: str, alias: str, number: int | None) -> None:
    raise Conflict(f"The model {model!r} comes from no repository, so no alias of it can be kept.")


def _read_nothing(model: str) -> Plan:
    raise ModelNotFound(f"The model {model!r} comes from no repository, so it can't be loaded again.", param="model")
