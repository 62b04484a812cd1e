"""What is to be run: one version of one model, and all of one entry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from jubako.backends.base import ModelSpec
from jubako.errors import ModelFailed, ModelNotFound
from jubako.messages import Task, VersionState, VersionStatus
from jubako.repository.config import Limits

Report = Callable[[str], None]
"""Takes a few words on how far something is. It may raise :class:`Abandoned`, to which the work should give way."""


LEFT_OUT = "neither the version policy nor an alias chooses it"
"""The reason of a version that is not served."""


class Abandoned(Exception):
    """Nobody wants the weights any more: the version is leaving."""


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """One version, as it is to be run.

    Attributes:
        specify: What instances are told, once the weights are on disk. It may download for hours and runs in a thread.
        fingerprint: Two deployments of a version whose fingerprints are equal have nothing to tell apart in their instances.
        calls_models: Its instances ask other models, so they are told which there are.
        config: The entry as JSON of KServe's ``inference.ModelConfig``; "" for none.
        adapters: Those of `served_names` that are LoRA adapters.
        created: When the version was made, in Unix seconds.
        description: What the model is, for people.
    """

    model: str
    version: int
    backend: str
    tasks: list[Task]
    specify: Callable[[Report], ModelSpec]
    fingerprint: str = ""
    served_names: list[str] = field(default_factory=list)
    instances: int = 1
    limits: Limits = field(default_factory=Limits)
    calls_models: bool = False
    config: str = ""
    created: int = 0
    adapters: list[str] = field(default_factory=list)
    description: str = ""

    def status(self, state: VersionState, reason: str) -> VersionStatus:
        """The version as it is shown, without what only its instances know."""
        return VersionStatus(
            model=self.model,
            version=self.version,
            state=state,
            served_names=self.served_names,
            tasks=self.tasks,
            backend=self.backend,
            reason=reason,
            config=self.config,
            created=self.created,
            timeout_s=self.limits.timeout_s,
            adapters=self.adapters,
            description=self.description,
        )


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What one entry says should be run.

    Attributes:
        others: Versions that are not to be run, to be shown beside those that are: FAILED for what is wrong with them, or
            UNLOADED for being left out by the version policy. An entry that is broken as a whole is one FAILED version 0.
        needs: Other models that must be served first, by any of their names.
        at_start: It is loaded when the runner starts, and not only on request.
        aliases: The numbers of versions by their aliases.
        by_policy: The numbers that the version policy chooses; the others that are run are run for their aliases. None: all.
        spare: Versions that are not to be run and could be, by number.
        faults: Why others could not be, in sentences.
    """

    model: str
    deployments: list[Deployment]
    others: list[VersionStatus] = field(default_factory=list)
    needs: list[str] = field(default_factory=list)
    at_start: bool = True
    aliases: Mapping[str, int] = field(default_factory=dict)
    by_policy: frozenset[int] | None = None
    spare: Mapping[int, Callable[[], Deployment]] = field(default_factory=dict)
    faults: Mapping[int, str] = field(default_factory=dict)

    @property
    def names(self) -> set[str]:
        """Every name of the model, without those of its versions."""
        return {self.model}.union(*(deployment.served_names for deployment in self.deployments))

    @property
    def named(self) -> frozenset[int]:
        """The versions to which requests may go that name none."""
        return self.by_policy if self.by_policy is not None else frozenset(each.version for each in self.deployments)

    def deployment(self, number: int) -> Deployment:
        """One version, to be run or not.

        Raises:
            ModelNotFound: there is none of that number; the message says which there are.
            ModelFailed: it can't be run; the message says why.
        """
        if (found := next((each for each in self.deployments if each.version == number), None)) is not None:
            return found
        if (spare := self.spare.get(number)) is not None:
            return spare()
        if fault := self.faults.get(number) or self.faults.get(0):
            raise ModelFailed(f"Version {number} of the model {self.model!r} can't be run: {fault}")
        known = sorted({*self.spare, *(each.version for each in self.deployments), *(status.version for status in self.others)})
        there_is = f"it has {', '.join(map(str, known))}" if known else "it has none"
        raise ModelNotFound(f"The model {self.model!r} has no version {number}; {there_is}.", param="version")

    def shown(self, state: VersionState, reason: str) -> list[VersionStatus]:
        """The versions, where none of them is run: `state` says why."""
        return [*self.others, *(deployment.status(state, reason) for deployment in self.deployments)]

    def failed(self, reason: str) -> Plan:
        """The same, where nothing of it can be run."""
        return replace(self, deployments=[], others=self.shown("FAILED", reason))
