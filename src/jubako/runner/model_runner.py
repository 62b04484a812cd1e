"""Runs one model: every version that its entry selects, loaded and unloaded while others go on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

import msgspec

from jubako.errors import ModelFailed, NotFound
from jubako.messages import VersionStatus
from jubako.runner.deployment import LEFT_OUT, Deployment, Plan
from jubako.runner.premises import Premises
from jubako.runner.version_runner import VersionRunner

log = logging.getLogger(__name__)

UNLOADED = "unloaded"
"""The reason of a version that was unloaded on request."""

ON_REQUEST = "it is loaded on request: jubako load {model}"
"""The reason of a version that has not been asked for."""

WAITING = "waiting for the models that it needs"


class ModelRunner:
    """The versions of one model.

    Which versions have aliases is the model's to say, not theirs: so an alias passes from one to another in a single snapshot.

    A version that is served and whose entry has changed gets a successor, which is shown once it is ready and takes over then;
    so there may be two generations of a version, and for a while a third that finishes its calls.
    """

    def __init__(self, name: str, premises: Premises) -> None:
        self.name = name
        self._premises = premises
        self._served: dict[int, VersionRunner] = {}
        self._successors: set[VersionRunner] = set()
        self._leaving: dict[VersionRunner, asyncio.Task[None]] = {}
        self._others: list[VersionStatus] = []
        self._named: frozenset[int] = frozenset()
        self._aliases: Mapping[str, int] = {}
        self._loading = asyncio.Lock()
        self._unloads = 0

    @property
    def ready(self) -> bool:
        return any(version.ready for version in self._served.values())

    @property
    def loaded(self) -> bool:
        """Whether any version is run, well or not."""
        return bool(self._served)

    def statuses(self) -> list[VersionStatus]:
        """One status for each version that there is, by number."""
        shown = {status.version: status for status in self._others}
        shown |= {version.number: _as_unloading(version.status()) for version in self._leaving}
        shown |= {number: version.status() for number, version in self._served.items()}
        return [self._with_names(shown[number]) for number in sorted(shown)]

    def start(self, plan: Plan) -> None:
        """Begin to serve what `plan` says."""
        self._served = {deployment.version: VersionRunner(deployment, self._premises) for deployment in plan.deployments}
        self._others = plan.others
        self._take_names(plan)

    def postpone(self, plan: Plan) -> None:
        """Show what `plan` says, and serve it only once :meth:`load` is called."""
        self._others = plan.shown("UNLOADED", ON_REQUEST.format(model=self.name))
        self._take_names(plan)

    def wait(self, plan: Plan) -> None:
        """Show what `plan` says as being loaded, unless something is served in its place; :meth:`load` must follow."""
        if not self._served:
            self._others = plan.shown("LOADING", WAITING)
            self._take_names(plan)
            self._premises.changed()

    async def load(self, read: Callable[[], Awaitable[Plan]], obtain: Callable[[Plan], Awaitable[str]]) -> None:
        """Serve what the plan says that `read` returns; return once that can answer. One load runs at a time.

        Versions that the plan leaves as they are stay; of the others, a new generation takes over when it is ready. Versions that
        the plan does not name any more leave last, and only if all others are well.

        Args:
            obtain: Loads the other models that a plan needs; returns why they can't be had, in a sentence, or "".

        Raises:
            ModelNotFound: as `read` does.
            ModelFailed: something in the plan is wrong or can't be loaded. What was served in its place still is.
        """
        unloads = self._unloads
        try:
            plan = await read()
            self._require_no_unload_since(unloads)
            # Not under the lock: models that wait for each other must not hold each other up.
            missing = await obtain(plan)
            async with self._loading:
                plan = await read()
                # An unload that came until now found nothing to end. One that comes later does.
                self._require_no_unload_since(unloads)
                failures = await self._serve_all(plan.failed(missing) if missing else plan)
        except Exception as error:
            self._wait_no_longer(str(error))
            raise
        if failures:
            raise ModelFailed(f"The model {self.name!r} could not be loaded: {' '.join(failures)}")

    async def set_alias(
        self, alias: str, number: int, read: Callable[[], Awaitable[Plan]], keep: Callable[[], Awaitable[None]]
    ) -> None:
        """Let `alias` mean a version; return once every new request goes there. A version that is not served is served first.

        Args:
            read: As :meth:`load`; called only if the version is not served.
            keep: Writes the alias down, once the version can be asked.

        Raises:
            ModelNotFound: there is no such version.
            ModelFailed: the version can't be loaded.
            Conflict: `keep` could not do it. Whatever is raised, nothing has changed.
        """
        unloads = self._unloads

        async def read_unless_unloaded() -> Plan:
            plan = await read()
            self._require_no_unload_since(unloads)
            return plan

        async with self._loading:
            self._require_no_unload_since(unloads)
            try:
                await self._serve_number(number, read_unless_unloaded)
                await keep()
                self._aliases = {**self._aliases, alias: number}
            finally:
                self._retire_nameless()

    async def delete_alias(self, alias: str, keep: Callable[[], Awaitable[None]]) -> None:
        """Let `alias` mean nothing. A version that was served for it alone is served no longer.

        Raises:
            NotFound: there is no such alias; the message says which there are.
            Conflict: `keep` could not write it down; nothing has changed.
        """
        async with self._loading:
            if alias not in self._aliases:
                there_is = f"it has {', '.join(sorted(self._aliases))}" if self._aliases else "it has none"
                raise NotFound(f"The model {self.name!r} has no alias {alias!r}; {there_is}.", param="alias")
            await keep()
            self._aliases = {name: number for name, number in self._aliases.items() if name != alias}
            self._retire_nameless()

    async def unload(self) -> None:
        """Serve nothing any more; return once no process is left. Calls in flight are finished first, a load is given up."""
        self._unloads += 1
        for version in self._successors:
            version.leave(UNLOADED)
        for version in self._served.values():
            if not version.ready:
                version.leave(UNLOADED)
        async with self._loading:
            self._others = [_as_unloaded(status) for status in self.statuses()]
            self._retire_all_but(set())
            self._premises.changed()
            leaving = list(self._leaving.values())
        if leaving:
            await asyncio.wait(leaving)

    def leave(self) -> None:
        """Finish the calls in flight and take no other: the runner is leaving."""
        for version in self._all():
            version.leave()

    async def end(self, timeout_s: float) -> None:
        """After :meth:`leave`: return once no process is left. What is not done within `timeout_s` seconds is killed."""
        await asyncio.gather(*(version.end(timeout_s) for version in self._all()))
        for task in list(self._leaving.values()):
            task.cancel()

    def _all(self) -> list[VersionRunner]:
        return [*self._served.values(), *self._successors, *self._leaving]

    async def _serve_all(self, plan: Plan) -> list[str]:
        """Serve what `plan` says; returns what is wrong with it, in sentences."""
        first = not self._served
        if plan.deployments or first:
            self._others = plan.others
        if first:
            self._take_names(plan)
        else:
            # Until all are well, those that had the name before have it too: one of them is ready.
            self._named |= plan.named
        failures = [_failure(status) for status in plan.others if status.state == "FAILED"]
        settled = await asyncio.gather(*(self._take_over(version) for version in self._begin(plan.deployments)))
        failures += [failure for failure in settled if failure]
        if not failures:
            self._take_names(plan)
            self._retire_all_but({deployment.version for deployment in plan.deployments})
        self._premises.changed()
        return failures

    async def _serve_number(self, number: int, read: Callable[[], Awaitable[Plan]]) -> None:
        """Return once the version can be asked; it is begun if it is not served.

        Raises:
            ModelNotFound, ModelFailed: it can't be.
        """
        served = self._served.get(number)
        if served is None or served.failed:
            self._serve(VersionRunner((await read()).deployment(number), self._premises))
        if failure := await self._take_over(self._served[number]):
            raise ModelFailed(f"Version {number} of the model {self.name!r} could not be loaded: {failure}")

    def _take_names(self, plan: Plan) -> None:
        self._named, self._aliases = plan.named, plan.aliases

    def _with_names(self, status: VersionStatus) -> VersionStatus:
        aliases = sorted(alias for alias, number in self._aliases.items() if number == status.version)
        return msgspec.structs.replace(status, aliases=aliases, has_name=not status.version or status.version in self._named)

    def _require_no_unload_since(self, unloads: int) -> None:
        if self._unloads != unloads:
            raise ModelFailed(f"The model {self.name!r} could not be loaded: it was unloaded meanwhile.")

    def _wait_no_longer(self, reason: str) -> None:
        self._others = [
            msgspec.structs.replace(status, state="FAILED", reason=reason) if status.state == "LOADING" else status
            for status in self._others
        ]
        self._premises.changed()

    def _begin(self, deployments: list[Deployment]) -> list[VersionRunner]:
        """A version for each of `deployments`: the one that is served already if nothing has changed, else a new one."""
        versions: list[VersionRunner] = []
        for deployment in deployments:
            served = self._served.get(deployment.version)
            if served is not None and served.serves(deployment):
                served.describe(deployment)
                versions.append(served)
                continue
            version = VersionRunner(deployment, self._premises)
            if served is None or served.failed:
                self._serve(version)
            else:
                self._successors.add(version)
            versions.append(version)
        return versions

    async def _take_over(self, version: VersionRunner) -> str:
        """Wait for what becomes of `version`, and serve it if it can answer. Returns why it can't, in a sentence."""
        await version.settled()
        failure = "" if version.ready else _failure(version.status())
        if version in self._successors:
            self._successors.discard(version)
            served = self._served.get(version.number)
            if not failure or served is None or served.failed:
                self._serve(version)
            else:
                log.warning("%s:%d is not replaced: %s", self.name, version.number, failure)
                self._retire(version)
        return failure

    def _serve(self, version: VersionRunner) -> None:
        """Show `version` in the place of the one that was served under its number."""
        before = self._served.get(version.number)
        self._served[version.number] = version
        self._premises.changed()
        if before is not None:
            self._retire(before)

    def _retire_nameless(self) -> None:
        """Serve only what the version policy or an alias chooses."""
        needed = {*self._named, *self._aliases.values()}
        left_out = [_as_left_out(version.status()) for number, version in self._served.items() if number not in needed]
        numbers = {status.version for status in left_out}
        self._others = [status for status in self._others if status.version not in numbers] + left_out
        self._retire_all_but(needed)
        self._premises.changed()

    def _retire_all_but(self, numbers: set[int]) -> None:
        for number in self._served.keys() - numbers:
            self._retire(self._served.pop(number))

    def _retire(self, version: VersionRunner) -> None:
        version.leave(UNLOADED)
        self._leaving[version] = asyncio.create_task(self._see_off(version))

    async def _see_off(self, version: VersionRunner) -> None:
        await version.drained()
        del self._leaving[version]
        self._premises.changed()


def _failure(status: VersionStatus) -> str:
    """What is wrong with a version, or, where the version is 0, with the whole entry."""
    where = f"version {status.version}: " if status.version else ""
    return f"{where}{status.reason.rstrip('.') or status.state.lower()}."


def _as_unloading(status: VersionStatus) -> VersionStatus:
    return msgspec.structs.replace(status, state="UNLOADED", reason="being unloaded: it finishes the calls in flight")


def _as_left_out(status: VersionStatus) -> VersionStatus:
    return msgspec.structs.replace(status, state="UNLOADED", reason=LEFT_OUT, instances=[], info=None)


def _as_unloaded(status: VersionStatus) -> VersionStatus:
    return msgspec.structs.replace(status, state="UNLOADED", reason=UNLOADED, instances=[], info=None)
