"""What the control plane says of models."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from jubako.messages.requests import Task
from jubako.tensors import Signature

VersionState = Literal["LOADING", "READY", "UNAVAILABLE", "FAILED", "UNLOADED"]
InstanceState = Literal["STARTING", "READY", "STALLED", "DRAINING", "STOPPED"]


class ModelInfo(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known of a version only once it is loaded.

    Attributes:
        signature: The tensors that it takes and gives; None for a model of text.
    """

    context_length: int | None = None
    signature: Signature | None = None


class SharedRegion(Struct, frozen=True, kw_only=True):
    """A region of system shared memory that a client registered under `name`: `byte_size` bytes of `key`, from `offset`."""

    name: str
    key: str
    byte_size: int
    offset: int = 0


class InstanceStatus(Struct, frozen=True, kw_only=True):
    """`address` is the instance's channel: the path of a Unix socket."""

    id: str
    address: str
    state: InstanceState
    pid: int | None = None
    restarts: int = 0


class VersionStatus(Struct, frozen=True, kw_only=True):
    """One version of one model.

    Attributes:
        reason: Why it is not READY, in a sentence.
        info: What is known since it was loaded; None before.
        config: The entry as KServe's model configuration extension shows it: JSON of ``inference.ModelConfig``; empty for none.
        timeout_s: Bounds a whole request, seconds.
        adapters: Those of `served_names` that are LoRA adapters.
        aliases: Those that mean this version, in the order of the alphabet.
        has_name: Whether requests that name no version may go to it: the version policy chooses it, and it is not served for its
            aliases alone.
        description: What the model is, for people.
    """

    model: str
    version: int
    state: VersionState
    served_names: list[str]
    tasks: list[Task]
    backend: str
    reason: str = ""
    instances: list[InstanceStatus] = []
    info: ModelInfo | None = None
    config: str = ""
    created: int = 0
    timeout_s: float = 600.0
    adapters: list[str] = []
    aliases: list[str] = []
    has_name: bool = True
    description: str = ""


class Snapshot(Struct, frozen=True, kw_only=True):
    """The whole repository as the runner sees it; `serial` grows with each change.

    Attributes:
        regions: Shared memory that clients registered, for all gateways.
        started: Whether all that the repository held at the start has been loaded or given up since. What loads later makes the
            server no less ready.
    """

    serial: int
    versions: list[VersionStatus]
    regions: list[SharedRegion] = []
    started: bool = False
    draining: bool = False
