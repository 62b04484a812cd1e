"""From the repository to what is run: the one place where the runner knows what an entry looks like."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace
from difflib import get_close_matches
from functools import partial
from pathlib import Path

from jubako.backends.base import ModelSpec
from jubako.backends.declarations import BACKENDS
from jubako.conversion import Conversion, converted_weights, converting_interpreter, dtype_for
from jubako.environments import Tenant, interpreter, located
from jubako.errors import ConfigurationError, ModelNotFound, ModelNotReady
from jubako.messages import VersionState, VersionStatus
from jubako.repository.aliases import keep_alias
from jubako.repository.cache import Cache
from jubako.repository.document import Document
from jubako.repository.entry import MODEL_FILE, Entry, read_entry
from jubako.repository.problem import Problem
from jubako.repository.progress import Silent
from jubako.repository.repository import Model, Version, read_repository
from jubako.repository.selection import check_names, selected, with_versions
from jubako.repository.source import moving
from jubako.repository.sources import fetch_weights, pinned_source
from jubako.runner.deployment import LEFT_OUT, Deployment, Plan, Report
from jubako.runner.fingerprint import fingerprint

log = logging.getLogger(__name__)


class Planner:
    """Reads entries of the repository at `root`; weights come from the cache in `cache_dir` or go there."""

    def __init__(self, root: Path, cache_dir: Path) -> None:
        self._root = root.absolute()
        self._cache_dir = cache_dir
        self._load = ""
        self._said: set[str] = set()

    def read_all(self, load: str = "") -> list[Plan]:
        """A plan for each entry.

        Args:
            load: The setting: which are loaded when the runner starts, and in which versions, then and later.

        Raises:
            ConfigurationError: there is no repository.
        """
        self._load = load
        repository = read_repository(self._root, BACKENDS)
        try:
            check_names(repository, load)
        except ConfigurationError as error:
            # `jubako serve` has refused it; a runner that is restarted must not fall for an entry that was removed meanwhile.
            log.error("%s", error)
        at_start = selected(repository, load)
        plans = [replace(self._plan(model), at_start=model.name in at_start) for model in repository.models.values()]
        return plans + [_broken_plan(name, problems) for name, problems in repository.broken.items()]

    def read(self, name: str) -> Plan:
        """The plan for one entry, as its files are now. No other entry is read.

        Raises:
            ModelNotFound: there is no such entry; the message has the nearest names.
        """
        entries = self._entries()
        if name not in entries:
            raise unknown_entry(name, entries)
        entry = read_entry(self._root / name, BACKENDS)
        problems = [*entry.problems, *_claims_of_folders(entry, set(entries))]
        if entry.model is None or problems:
            return _broken_plan(name, problems)
        return self._plan(entry.model)

    def keep_alias(self, name: str, alias: str, number: int | None) -> None:
        """Write to the entry's folder that `alias` means a version, or nothing.

        Raises:
            Conflict: it can't be written; nothing has changed.
        """
        folder = self._root / name
        file = folder / MODEL_FILE
        declared = Document.read(file).fields.get("aliases") if file.is_file() else None
        keep_alias(folder, alias, number, declared if isinstance(declared, dict) else {})

    def _plan(self, model: Model) -> Plan:
        self._warn(model)
        model = with_versions(model, self._load)
        chosen = set(model.chosen_numbers)
        numbers = {version.number for version in model.versions} | model.broken_versions.keys()
        left_out = [_not_run(model, number, "UNLOADED", LEFT_OUT) for number in sorted(numbers - chosen)]
        faults = {number: _sentences(problems) for number, problems in model.broken_versions.items()}
        broken = [_not_run(model, number, "FAILED", fault) for number, fault in faults.items() if number in chosen]
        cache = Cache(self._cache_dir)
        deployments = [deployment(model, version, cache) for version in model.served_versions]
        spare = {each.number: partial(deployment, model, each, cache) for each in model.versions if each.number not in chosen}
        return Plan(
            model=model.name,
            deployments=deployments,
            others=left_out + broken,
            needs=list(model.needs),
            aliases=model.aliases,
            by_policy=frozenset(model.policy_numbers),
            spare=spare,
            faults=faults,
        )

    def _warn(self, model: Model) -> None:
        for warning in map(str, model.warnings):
            if warning not in self._said:
                log.warning("%s", warning)
                self._said.add(warning)

    def _entries(self) -> list[str]:
        try:
            return sorted(path.name for path in self._root.iterdir() if path.is_dir() and not path.name.startswith((".", "__")))
        except OSError as error:
            raise ModelNotReady(f"The model repository {self._root} can't be read: {error.strerror}.") from None


def unknown_entry(name: str, entries: list[str]) -> ModelNotFound:
    """The error for a name that no entry has."""
    near = get_close_matches(name, entries, n=3) or entries[:5]
    hint = f"Did you mean {' or '.join(map(repr, near))}?" if near else "The repository is empty."
    return ModelNotFound(f"The repository has no entry {name!r}. {hint}", param="model")


def _claims_of_folders(entry: Entry, entries: set[str]) -> list[Problem]:
    return [
        Problem(entry.file, line, f"`served_names` claims {name!r}, which is the name of another entry.")
        for name, line in entry.served_names.items()
        if name in entries - {entry.name}
    ]


def deployment(model: Model, version: Version, cache: Cache) -> Deployment:
    """`version` as it is to be run; its weights come from `cache` or go there."""

    tenant = Tenant.of(model)

    def specify(report: Report) -> ModelSpec:
        # Before the weights: whoever lacks the engine is told so at once, and not after a download.
        python = interpreter(tenant, cache.root)
        weights = fetch_weights(version, cache, _Percent(report))
        _say_what_was_meant(version, cache)
        return specification(model, version, _as_the_engine_reads(version, weights, cache, python, report), python)

    return Deployment(
        model=model.name,
        version=version.number,
        backend=model.config.backend,
        tasks=list(model.tasks),
        specify=specify,
        fingerprint=fingerprint(model, version, specification(model, version, None, _python_if_any(tenant, cache.root))),
        served_names=list(model.served_names),
        instances=model.config.instances,
        limits=model.config.limits,
        calls_models=model.declaration.calls_models,
        config=model.config_json,
        created=int(version.folder.stat().st_mtime),
        adapters=list(model.config.adapters),
        description=model.config.description,
    )


def specification(model: Model, version: Version, weights: Path | None, python: str) -> ModelSpec:
    """What an instance of `version` is told; `python` is the interpreter that runs it, "" for this one."""
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
        folder=str(model.folder),
        inputs=list(model.inputs),
        outputs=list(model.outputs),
        max_batch_size=model.config.max_batch_size,
        decoupled=model.decoupled,
        batching=model.config.batching,
        warmup=model.config.warmup,
        parameters=model.config.parameters,
        config=model.config_json,
        tool_call_parser=model.config.tool_call_parser,
        reasoning_parser=model.config.reasoning_parser,
        adapters={name: str(model.folder / path) for name, path in model.config.adapters.items()},
        interpreter=python,
    )


def _as_the_engine_reads(version: Version, weights: Path | None, cache: Cache, python: str, report: Report) -> Path | None:
    """`weights`, or what the entry wants made of them; `python` is the interpreter that runs the entry."""
    if version.convert is None or weights is None:
        return weights
    conversion = Conversion.of(weights, str(version.source), dtype_for(version.engine), cache, Silent())
    if conversion is None:
        return weights
    return converted_weights(
        conversion,
        cache.root,
        python=lambda: converting_interpreter(python, cache.root),
        watch=lambda _, share: report(f"converting {round(100 * share)} %"),
    )


def _python_if_any(tenant: Tenant, cache_dir: Path) -> str:
    try:
        return located(tenant, cache_dir)
    except ConfigurationError:
        # Said when the version is loaded: an entry whose environment is still to be made is read like any other.
        return ""


def _say_what_was_meant(version: Version, cache: Cache) -> None:
    """Log what a tag, a branch or the latest of something is, in whose place something else may be at another load."""
    if version.source and moving(version.source) and (pinned := pinned_source(version, cache)):
        log.info("%s:%d: the weights are %s, which %s names here", version.model_name, version.number, pinned, version.source)


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


def _not_run(model: Model, number: int, state: VersionState, reason: str) -> VersionStatus:
    return VersionStatus(
        model=model.name,
        version=number,
        state=state,
        served_names=list(model.served_names),
        tasks=list(model.tasks),
        backend=model.config.backend,
        reason=reason,
        config=model.config_json,
        description=model.config.description,
    )


def _broken_plan(name: str, problems: Iterable[Problem]) -> Plan:
    reason = _sentences(problems)
    status = VersionStatus(model=name, version=0, state="FAILED", served_names=[], tasks=[], backend="", reason=reason)
    return Plan(model=name, deployments=[], others=[status], faults={0: reason})


def _sentences(problems: Iterable[Problem]) -> str:
    return " ".join(map(str, sorted(problems)))
