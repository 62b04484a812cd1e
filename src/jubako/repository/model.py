"""A model and its versions, as an entry without faults says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jubako.messages import Task
from jubako.repository.config import ModelConfig
from jubako.repository.declaration import BackendDeclaration
from jubako.repository.source import Source


@dataclass(frozen=True, kw_only=True)
class Version:
    """One version of one model.

    Attributes:
        folder: The version's folder.
        source: Where the weights come from; None for a backend without weights.
        sha256: The digest that the weights must have: of the file, or of files of the folder by their paths.
        engine: The engine's parameters as builtins, checked, defaults filled in.
    """

    model_name: str
    number: int
    folder: Path
    source: Source | None
    sha256: str | Mapping[str, str] | None
    engine: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Model:
    """One entry without faults.

    Attributes:
        served_names: Every name under which requests find it; the folder's name is the first.
        chat_template: Jinja text that replaces the model's own, or None.
        versions: At least one, ascending by number.
    """

    name: str
    folder: Path
    config: ModelConfig
    declaration: BackendDeclaration
    tasks: tuple[Task, ...]
    served_names: tuple[str, ...]
    chat_template: str | None
    versions: tuple[Version, ...]

    @property
    def latest(self) -> Version:
        return self.versions[-1]
