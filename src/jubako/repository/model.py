"""A model and its versions, as an entry without faults says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from jubako.messages import Task
from jubako.repository.config import ModelConfig
from jubako.repository.declaration import BackendDeclaration
from jubako.repository.problem import Problem
from jubako.repository.source import Source
from jubako.tensors import TensorSpec


@dataclass(frozen=True, kw_only=True)
class Version:
    """One version of one model.

    Attributes:
        folder: The version's folder; the entry's own, where a backend without weights has none for its one version.
        source: Where the weights come from; None for a backend without weights.
        sha256: The digest that the weights must have: of the file, or of files of the folder by their paths.
        engine: The engine's parameters as builtins, checked, defaults filled in.
        convert: What is made of the weights before they are loaded; None loads them as they are.
        unpinned: That the source may become something else, and no digest is pinned; None where it can't, or one is.
    """

    model_name: str
    number: int
    folder: Path
    source: Source | None
    sha256: str | Mapping[str, str] | None
    engine: dict[str, Any]
    convert: Literal["gguf-to-hf"] | None = None
    unpinned: Problem | None = None


@dataclass(frozen=True, kw_only=True)
class Model:
    """One entry without faults.

    Attributes:
        file: What configures it: its model.yaml or config.pbtxt; its folder where it has neither.
        served_names: Every name under which requests find it, those of its adapters too; the folder's name is the first.
        chat_template: Jinja text that replaces the model's own, or None.
        versions: Those without faults, served or not: at least one, ascending by number.
        broken_versions: What is wrong with the others, by number; among them those that are named and not there.
        policy_numbers: The numbers that the version policy chooses, ascending; some of them may be broken.
        inputs: Of a tensor model; empty where the entry leaves that to the model's file.
        outputs: The same, with their labels.
        config_json: The entry as JSON of ``inference.ModelConfig``.
        aliases: The numbers of versions by their aliases, declared or set since; some of them may be broken.
        warnings: What the entry says in vain.
    """

    name: str
    folder: Path
    file: Path
    config: ModelConfig
    declaration: BackendDeclaration
    tasks: tuple[Task, ...]
    served_names: tuple[str, ...]
    chat_template: str | None
    versions: tuple[Version, ...]
    policy_numbers: tuple[int, ...]
    broken_versions: Mapping[int, tuple[Problem, ...]] = field(default_factory=dict)
    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()
    config_json: str = ""
    aliases: Mapping[str, int] = field(default_factory=dict)
    warnings: tuple[Problem, ...] = ()

    @property
    def chosen_numbers(self) -> tuple[int, ...]:
        """The numbers to serve, ascending: those that the version policy chooses, and those that have an alias."""
        return tuple(sorted({*self.policy_numbers, *self.aliases.values()}))

    @property
    def served_versions(self) -> tuple[Version, ...]:
        """The versions to serve, ascending: those chosen that are without faults."""
        return tuple(version for version in self.versions if version.number in self.chosen_numbers)

    @property
    def needs(self) -> tuple[str, ...]:
        """The models that it asks, by the names that its entry uses, each once: those of `needs`, then an ensemble's steps."""
        steps = (step for version in self.served_versions for step in version.engine.get("steps", []))
        asked = [step["model"] for step in steps] if self.config.backend == "ensemble" else []
        return tuple(dict.fromkeys([*self.config.needs, *asked]))

    @property
    def latest(self) -> Version:
        """The highest of those that the version policy chooses; where none of them is without faults, the highest that is."""
        by_policy = [version for version in self.versions if version.number in self.policy_numbers]
        return (by_policy or self.versions)[-1]

    @property
    def decoupled(self) -> bool:
        return self.config.decoupled
