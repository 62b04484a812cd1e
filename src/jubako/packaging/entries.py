"""Which entries of the repository a bento holds, and how they are written into it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from jubako.environments.resolution import OWN
from jubako.errors import ConfigurationError
from jubako.packaging.weights import Weights
from jubako.repository.aliases import ALIASES_FILE
from jubako.repository.config import EnvironmentConfig
from jubako.repository.model import Model, Version
from jubako.repository.repository import Repository
from jubako.repository.selection import selected, with_versions
from jubako.repository.source import LocalSource
from jubako.repository.versions import VERSION_FILE

_HEAD = "# As `jubako build` wrote it.\n"
_LEFT_OUT = shutil.ignore_patterns("__pycache__", ".*")


@dataclass(frozen=True)
class Part:
    """One entry of a bento, with those of its versions that the bento holds.

    Attributes:
        wanted: It is what the bento was built for, and not only needed by that.
    """

    model: Model
    versions: tuple[Version, ...]
    wanted: bool

    @property
    def with_weights(self) -> list[Version]:
        """The versions whose source is weights, and not the model's code."""
        return [version for version in self.versions if version.source is not None and not self._is_code(version)]

    def _is_code(self, version: Version) -> bool:
        # What lies in the version folder of a Python model is its code; it stays there.
        return isinstance(version.source, LocalSource) and not self.model.declaration.needs_weights


def parts_of(repository: Repository, version: Version) -> list[Part]:
    """What a bento of `version` holds: its entry first, then those that it needs, by name.

    Raises:
        ConfigurationError: something is needed that is broken or not there.
    """
    load = f"{version.model_name}:{version.number}"
    wanted = with_versions(repository.models[version.model_name], load)
    parts = [Part(wanted, wanted.served_versions, wanted=True)]
    for name in sorted(selected(repository, load) - {wanted.name}):
        if name in repository.broken:
            raise ConfigurationError(f"{wanted.name} needs {name}, which has problems; `jubako check` shows them.")
        needed = repository.models[name]
        parts.append(Part(needed, needed.served_versions, wanted=False))
    for part in parts:
        _check(part.model, repository)
    return parts


def write_entry(part: Part, weights: Mapping[int, tuple[Weights, str]], repository: Path) -> None:
    """Copy an entry into the folder `repository`, with what its bento has elsewhere written into its files.

    Args:
        weights: Of its versions, by number, with the source that they have in the bento.
    """
    model = part.model
    folder = repository / model.name
    left_out = {str(version.number) for version in model.versions} | set(map(str, model.broken_versions))
    folder.mkdir(parents=True)
    for path in sorted(model.folder.iterdir()):
        if path.name not in left_out and path.name != ALIASES_FILE and not path.name.startswith((".", "__pycache__")):
            _copy(path, folder / path.name)
    _rewrite_model(part, folder)
    for version in part.versions:
        _write_version(version, weights.get(version.number), folder)


def _write_version(version: Version, weights: tuple[Weights, str] | None, entry: Path) -> None:
    folder = entry / str(version.number)
    folder.mkdir(exist_ok=True)
    inside = isinstance(version.source, LocalSource) and weights is not None
    for path in sorted(version.folder.iterdir()) if version.folder.name == str(version.number) else ():
        if not path.name.startswith((".", "__pycache__")) and not (inside and _is_under(path, version)):
            _copy(path, folder / path.name)
    if weights is not None:
        held, source = weights
        file = folder / VERSION_FILE
        fields = _read(file) if file.is_file() else {}
        _write(file, fields | {"source": source, "sha256": held.pins})


def _is_under(path: Path, version: Version) -> bool:
    """Whether `path`, in the version folder, is among the weights that lie there."""
    assert isinstance(version.source, LocalSource)
    if version.source.path == ".":
        return path.name != VERSION_FILE
    return path.name == version.source.path.partition("/")[0]


def _rewrite_model(part: Part, folder: Path) -> None:
    """Leave out of model.yaml what is not so in the bento: other versions, and environments of the machine that built it."""
    file = folder / part.model.file.name
    if not file.is_file() or file.suffix != ".yaml":
        return
    fields = _read(file)
    numbers = [version.number for version in part.versions]
    changed = {name: value for name, value in fields.items() if name != "environment"}
    if part.wanted or "versions" in fields:
        changed["versions"] = numbers
    if aliases := {alias: number for alias, number in part.model.aliases.items() if number in numbers}:
        changed["aliases"] = aliases
    else:
        changed.pop("aliases", None)
    if changed != fields:
        _write(file, changed)


def _check(model: Model, repository: Repository) -> None:
    environment = model.config.environment
    if not (environment is None or environment == OWN or isinstance(environment, EnvironmentConfig)):
        raise ConfigurationError(
            f"{model.name} runs in the environment {environment!r} of this machine, which no bento can hold. Say its packages "
            "instead, as in `environment: {packages: [...]}`."
        )
    for name, path in model.config.adapters.items():
        if Path(path).is_absolute():
            raise ConfigurationError(
                f"The adapter {name!r} of {model.name} is {path}, outside of its entry. Put it into {model.folder}."
            )
    for number in model.chosen_numbers:
        if number in model.broken_versions:
            raise ConfigurationError(
                f"Version {number} of {model.name} has problems; `jubako check {repository.root}` shows them."
            )


def _copy(path: Path, target: Path) -> None:
    if path.is_dir():
        shutil.copytree(path, target, ignore=_LEFT_OUT, dirs_exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)


def _read(file: Path) -> dict[str, Any]:
    fields = yaml.safe_load(file.read_text(encoding="utf-8"))
    return dict(fields) if isinstance(fields, dict) else {}


def _write(file: Path, fields: Mapping[str, Any]) -> None:
    text = yaml.safe_dump(dict(fields), sort_keys=False, allow_unicode=True, width=120)
    file.write_text(_HEAD + text, encoding="utf-8")
