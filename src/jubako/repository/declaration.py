"""What a backend says of itself without being imported: enough to check an entry, to document it and to start it."""

from __future__ import annotations

from dataclasses import dataclass

from jubako.messages import Task


@dataclass(frozen=True, kw_only=True)
class BackendDeclaration:
    """One backend.

    Attributes:
        name: What ``backend:`` in model.yaml says.
        summary: One line for `jubako doctor` and the reference page.
        implementation: ``package.module:Class``, imported by instances only.
        params: The frozen dataclass of the engine parameters, ``engine:`` in model.yaml.
        tasks: All that it can serve; an entry may narrow them.
        default_tasks: What an entry that names none serves.
        needs_weights: Whether a version must have a source.
        modules: Modules that must be importable for it to run.
        extra: The optional dependency of jubako that installs them, or "" if none is needed.
        calls_models: Whether its models may ask other models of the repository.
        adapts: Whether `adapters`, LoRA adapters of the model, mean something for it.
        batches: Whether `batching` and `max_batch_size` mean something for it although it serves no tensors.
    """

    name: str
    summary: str
    implementation: str
    params: type
    tasks: tuple[Task, ...]
    default_tasks: tuple[Task, ...]
    needs_weights: bool
    modules: tuple[str, ...] = ()
    extra: str = ""
    calls_models: bool = False
    adapts: bool = False
    batches: bool = False
