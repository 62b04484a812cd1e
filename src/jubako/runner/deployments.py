"""From the repository to what is run: the one place where the runner knows what an entry looks like."""

from __future__ import annotations

from pathlib import Path

from jubako.backends.base import ModelSpec
from jubako.backends.declarations import BACKENDS
from jubako.messages import VersionStatus
from jubako.repository.cache import Cache
from jubako.repository.problem import Problem
from jubako.repository.repository import Model, Version, read_repository
from jubako.repository.sources import fetch_weights
from jubako.runner.version_runner import Deployment, Report


def read_deployments(root: Path, cache_dir: Path) -> tuple[list[Deployment], list[VersionStatus]]:
    """What to run of the repository at `root`: the latest version of each model. And the entries that are broken, as FAILED.

    Raises:
        ConfigurationError: there is no repository at `root`.
    """
    repository = read_repository(root, BACKENDS)
    cache = Cache(cache_dir)
    deployments = [deployment(model, model.latest, cache) for model in repository.models.values()]
    return deployments, [_broken(name, problems) for name, problems in repository.broken.items()]


def deployment(model: Model, version: Version, cache: Cache) -> Deployment:
    """`version` as it is to be run; its weights come from `cache` or go there."""

    def specify(report: Report) -> ModelSpec:
        return specification(model, version, fetch_weights(version, cache, _Percent(report)))

    return Deployment(
        model=model.name,
        version=version.number,
        backend=model.config.backend,
        tasks=list(model.tasks),
        specify=specify,
        served_names=list(model.served_names),
        instances=model.config.instances,
        limits=model.config.limits,
        created=int(version.folder.stat().st_mtime),
    )


def specification(model: Model, version: Version, weights: Path | None) -> ModelSpec:
    """What an instance of `version` is told."""
    limits = model.config.limits
    return ModelSpec(
        model=model.name,
        version=version.number,
        implementation=model.declaration.implementation,
        tasks=list(model.tasks),
        params=version.engine,
        weights=str(weights) if weights is not None else None,
        sampling=model.config.sampling,
        chat_template=model.chat_template,
        max_concurrency=limits.max_concurrency,
        max_queue_size=limits.max_queue_size,
        queue_timeout_s=limits.queue_timeout_s,
    )


class _Percent:
    """A download in words such as ``downloading 43 %``."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._total: int | None = None
        self._done = 0

    def start(self, total: int | None, label: str) -> None:
        self._total, self._done = total, 0
        self._say()

    def advance(self, n: int) -> None:
        self._done += n
        self._say()

    def note(self, text: str) -> None:
        self._report(text)

    def done(self) -> None:
        pass

    def _say(self) -> None:
        self._report(f"downloading {100 * self._done // self._total} %" if self._total else "downloading")


def _broken(name: str, problems: list[Problem]) -> VersionStatus:
    return VersionStatus(
        model=name,
        version=0,
        state="FAILED",
        served_names=[],
        tasks=[],
        backend="",
        reason=" ".join(map(str, problems)),
    )
