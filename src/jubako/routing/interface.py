"""What a client is written against: the tasks of a model and its tensors, in words that can be compared and digested."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from jubako.messages import Task, VersionStatus
from jubako.tensors import Signature, TensorSpec


class ModelInterface(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a client can know of a model.

    Attributes:
        served_names: The names under which it is found, without its own.
        versions: The numbers of those that can be asked and have this interface, ascending.
        aliases: Names of some of these versions.
        signature: The tensors that it takes and gives, whatever its platform; None for a model of text.
        digest: As :func:`interface_digest`; empty where the tensors are not known.
        unknown: Why they are not, in a sentence.
    """

    name: str
    description: str = ""
    served_names: list[str] = []
    versions: list[int] = []
    aliases: dict[str, int] = {}
    tasks: list[Task] = []
    signature: Signature | None = None
    digest: str = ""
    unknown: str = ""


def interfaces(current: Sequence[VersionStatus], versions: Sequence[VersionStatus]) -> list[ModelInterface]:
    """The interface of each model, which is that of its current version.

    Args:
        current: The current version of each model.
        versions: Every version of every model.
    """
    return [_interface(status, [each for each in versions if each.model == status.model]) for status in current]


def digest_of(status: VersionStatus) -> str:
    """The digest of a version's interface; empty while it is not known, as that of a tensor model is before it is loaded."""
    signature = _signature(status)
    if not status.tasks or ("infer" in status.tasks and signature is None):
        return ""
    return interface_digest(status.tasks, signature)


def interface_digest(tasks: Sequence[Task], signature: Signature | None) -> str:
    """SHA-256, in hexadecimal, of :func:`interface_lines`. It is the same in every process and on every machine."""
    return hashlib.sha256("\n".join(interface_lines(tasks, signature)).encode()).hexdigest()


def interface_lines(tasks: Sequence[Task], signature: Signature | None) -> list[str]:
    """All that a client relies on, one thing a line, whatever the order in which the model says it.

    ::

        task infer
        batch dimension
        input "x" FP32 [3, 224, 224]
        output "y" FP32 [2]
        labels "y" ["cat", "dog"]

    Names and labels are written as JSON, in which no line ends. What is for people, such as a description, is not there, and
    neither is what only the server needs to know, such as the size of a batch. That an input is a picture changes nothing on the
    wire, so it is not there either: whoever sends it as an array goes on doing so.
    """
    lines = [f"task {task}" for task in sorted(tasks)]
    if signature is None:
        return lines
    lines += ["batch dimension"] * (signature.max_batch_size > 0) + ["decoupled"] * signature.decoupled
    lines += sorted(_tensor_line("input", spec) for spec in signature.inputs)
    lines += sorted(_tensor_line("output", spec) for spec in signature.outputs)
    return lines + sorted(f"labels {_json(spec.name)} {_json(spec.labels)}" for spec in signature.outputs if spec.labels)


def _tensor_line(kind: str, spec: TensorSpec) -> str:
    return f"{kind} {_json(spec.name)} {spec.datatype} {_json(spec.shape)}{' optional' if spec.optional else ''}"


def _json(value: str | list[str] | list[int]) -> str:
    return json.dumps(value, ensure_ascii=False)


def _signature(status: VersionStatus) -> Signature | None:
    return status.info.signature if status.info else None


def _interface(status: VersionStatus, versions: list[VersionStatus]) -> ModelInterface:
    digest = digest_of(status)
    signature = _signature(status)
    alike = [each for each in versions if each.state not in ("UNLOADED", "FAILED") and digest_of(each) == digest] or [status]
    return ModelInterface(
        name=status.model,
        description=status.description,
        served_names=[name for name in status.served_names if name != status.model],
        versions=sorted(each.version for each in alike),
        aliases={alias: each.version for each in alike for alias in each.aliases},
        tasks=status.tasks,
        signature=replace(signature, platform="") if signature else None,
        digest=digest,
        unknown="" if digest else status.reason or f"it is {status.state.lower()}",
    )
