"""What is said of models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from jubako_client._protos import jubako_v1 as pb

__all__ = ["ModelVersion", "Signature", "State", "Task", "TensorSpec"]

Task: TypeAlias = Literal["chat", "completion", "embedding", "score", "classify", "infer"]
"""What a model can be asked for."""

State: TypeAlias = Literal["unspecified", "loading", "ready", "unavailable", "failed", "unloaded"]
"""How a version is."""

_TASKS: Final[dict[int, Task]] = {
    pb.TASK_CHAT: "chat",
    pb.TASK_COMPLETION: "completion",
    pb.TASK_EMBEDDING: "embedding",
    pb.TASK_SCORE: "score",
    pb.TASK_CLASSIFY: "classify",
    pb.TASK_INFER: "infer",
}
_STATES: Final[dict[int, State]] = {
    pb.VERSION_STATE_LOADING: "loading",
    pb.VERSION_STATE_READY: "ready",
    pb.VERSION_STATE_UNAVAILABLE: "unavailable",
    pb.VERSION_STATE_FAILED: "failed",
    pb.VERSION_STATE_UNLOADED: "unloaded",
}


@dataclass(frozen=True)
class TensorSpec:
    """An input or output of a tensor model.

    Attributes:
        datatype: In the words of the Open Inference Protocol, such as FP32.
        shape: Without the batch dimension where the model has one; -1 is any length.
        labels: The names of the classes along the last dimension of an output.
        ragged: Whether requests whose shapes differ in this input may share a batch.
        content: ``image`` for an input that is a picture, or of which each row is one; empty where nothing is said.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]
    optional: bool
    labels: tuple[str, ...]
    description: str
    ragged: bool
    content: str = ""


@dataclass(frozen=True)
class Signature:
    """What a tensor model takes and gives.

    Attributes:
        max_batch_size: Most rows of a request; 0 where its tensors have no batch dimension.
        decoupled: Whether a request may have any number of answers, so that it must be streamed.
    """

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    max_batch_size: int
    decoupled: bool
    platform: str


@dataclass(frozen=True)
class ModelVersion:
    """One version of one model.

    Attributes:
        version: Its number; 0 where the entry could not be read at all.
        reason: Why it is not ready, in a sentence.
        served_names: Every name under which the model is found.
        context_length: Most tokens that a request and its answer may hold together; None where there is no such bound.
        signature: Its tensors; None for models of text, and before it is loaded.
        adapters: Those of its served names that are LoRA adapters.
        created: When its folder was last changed, in seconds since 1970.
        aliases: Those that mean this version: ``model@alias`` asks for it.
        interface_digest: Of what a client relies on: the tasks and the signature. While it stays the same, so do they. Empty
            for a tensor model that has not been loaded.
    """

    model: str
    version: int
    state: State
    reason: str
    served_names: tuple[str, ...]
    tasks: tuple[Task, ...]
    backend: str
    context_length: int | None
    signature: Signature | None
    adapters: tuple[str, ...]
    created: int
    aliases: tuple[str, ...]
    interface_digest: str


def model_version(given: pb.ModelVersion) -> ModelVersion:
    return ModelVersion(
        model=given.model,
        version=given.version,
        state=_STATES.get(given.state, "unspecified"),
        reason=given.reason,
        served_names=tuple(given.served_names),
        # A newer server may know tasks that this client does not.
        tasks=tuple(_TASKS[task] for task in given.tasks if task in _TASKS),
        backend=given.backend,
        context_length=given.context_length if given.HasField("context_length") else None,
        signature=_signature(given.signature) if given.HasField("signature") else None,
        adapters=tuple(given.adapters),
        created=given.created,
        aliases=tuple(given.aliases),
        interface_digest=given.interface_digest,
    )


def _signature(given: pb.Signature) -> Signature:
    return Signature(
        inputs=tuple(_tensor(spec) for spec in given.inputs),
        outputs=tuple(_tensor(spec) for spec in given.outputs),
        max_batch_size=given.max_batch_size,
        decoupled=given.decoupled,
        platform=given.platform,
    )


def _tensor(given: pb.TensorSpec) -> TensorSpec:
    return TensorSpec(
        name=given.name,
        datatype=given.datatype,
        shape=tuple(given.shape),
        optional=given.optional,
        labels=tuple(given.labels),
        description=given.description,
        ragged=given.ragged,
        content=given.content,
    )
