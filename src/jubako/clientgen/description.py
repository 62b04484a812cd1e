"""What clients can know of the models of a repository that nobody serves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import aclosing
from pathlib import Path

import msgspec

from jubako.backends.declarations import BACKENDS
from jubako.errors import ConfigurationError
from jubako.messages import ModelInfo, VersionStatus
from jubako.repository.cache import Cache
from jubako.repository.problem import nearest
from jubako.repository.repository import Model, Repository, read_repository
from jubako.routing.interface import ModelInterface, interfaces
from jubako.runner.deployments import Planner, deployment
from jubako.runner.restarts import RestartPolicy
from jubako.runner.supervisor import Supervisor
from jubako.tensors import Signature

Watch = Callable[[list[VersionStatus]], None]
"""Told how far the versions are that are loaded, each time that something has changed."""

_SAID_BY_THE_ENTRY = ("onnx", "torch")
"""Backends of which an entry can say all that a client must know. Code may stream though its entry does not say so; what an
ensemble takes depends on its members."""


def entries(root: Path) -> list[str]:
    """The names of all models of a repository.

    Raises:
        ConfigurationError: there is no repository.
    """
    repository = read_repository(root, BACKENDS)
    return sorted([*repository.models, *repository.broken])


async def describe(root: Path, cache_dir: Path, names: Sequence[str], watch: Watch) -> list[ModelInterface]:
    """The interfaces of the models, by name.

    Models of text are known from their entries, and so are models of tensors whose entries say all. The others are loaded, each
    with what it needs, and leave again.

    Args:
        names: Those of entries.

    Raises:
        ConfigurationError: there is no repository, or no such entry.
    """
    repository = read_repository(root, BACKENDS)
    _check(names, repository)
    models = [model for model in repository.models.values() if model.name in names]
    statuses = {model.name: _statuses(model, cache_dir) for model in models}
    to_load = [model.name for model in models if any(_is_open(status) for status in statuses[model.name])]
    if to_load:
        loaded = await _loaded(root, cache_dir, to_load, watch)
        statuses |= {name: [each for each in loaded if each.model == name] for name in to_load}
    found = interfaces(
        [_current(statuses[model.name]) for model in models], [each for all_ in statuses.values() for each in all_]
    )
    broken = [
        ModelInterface(name=name, unknown=" ".join(map(str, problems)))
        for name, problems in repository.broken.items()
        if name in names
    ]
    return sorted([*found, *broken], key=lambda model: model.name)


def _check(names: Iterable[str], repository: Repository) -> None:
    known = [*repository.models, *repository.broken]
    for name in names:
        if name not in known:
            raise ConfigurationError(f"There is no model {name!r} in {repository.root}. {nearest(name, known)}".rstrip())


def _statuses(model: Model, cache_dir: Path) -> list[VersionStatus]:
    """Its versions as if they were on their way."""
    said = _said(model)
    cache = Cache(cache_dir)
    return [
        msgspec.structs.replace(
            deployment(model, version, cache).status("LOADING", ""),
            info=ModelInfo(signature=said) if said else None,
            aliases=sorted(alias for alias, number in model.aliases.items() if number == version.number),
        )
        for version in model.served_versions
    ]


def _said(model: Model) -> Signature | None:
    """The signature that the entry says, if it says all of it."""
    if model.config.backend not in _SAID_BY_THE_ENTRY or model.config.max_batch_size is None:
        return None
    if not model.inputs or not model.outputs:
        return None
    return Signature(
        inputs=list(model.inputs),
        outputs=list(model.outputs),
        max_batch_size=model.config.max_batch_size,
        decoupled=model.decoupled,
    )


def _is_open(status: VersionStatus) -> bool:
    return "infer" in status.tasks and status.info is None


def _current(versions: list[VersionStatus]) -> VersionStatus:
    """The version that requests without one would go to, were all loaded that can be."""
    return max(versions, key=lambda status: (status.state not in ("FAILED", "UNLOADED"), status.version))


async def _loaded(root: Path, cache_dir: Path, names: list[str], watch: Watch) -> list[VersionStatus]:
    """The versions of these entries once each is ready or given up."""
    planner = Planner(root, cache_dir)
    policy = RestartPolicy(most_failures=1)
    async with (
        Supervisor(planner.read_all(",".join(names)), read=planner.read, policy=policy) as supervisor,
        aclosing(supervisor.snapshots()) as snapshots,
    ):
        async for snapshot in snapshots:
            versions = [status for status in snapshot.versions if status.model in names]
            watch(versions)
            if snapshot.started:
                return versions
    raise AssertionError("the snapshots ended before the supervisor did")
