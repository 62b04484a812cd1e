"""What a backend is: the adapter that makes one engine answer jubako's requests.

A backend lives in an instance process, alone with its model. It is made, loaded once, asked many times at once from one
event loop, and closed. It declares itself in :mod:`jubako.backends.declarations`; its module may import its engine freely,
because nothing but an instance ever imports it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from typing import Any, Protocol

from msgspec import Struct, field

from jubako.channel.frames import Load
from jubako.channel.server import CallContext, Cancel, Done
from jubako.errors import Unsupported
from jubako.messages import (
    ClassifyRequest,
    ClassifyResult,
    DetokenizeRequest,
    DetokenizeResult,
    EmbedRequest,
    EmbedResult,
    GenerateEvent,
    GenerateRequest,
    InferRequest,
    InferResult,
    ModelInfo,
    Parameter,
    SamplingParams,
    ScoreRequest,
    ScoreResult,
    StatisticsResult,
    Task,
    TokenizeRequest,
    TokenizeResult,
)
from jubako.repository.config import BatchingConfig, WarmupConfig
from jubako.tensors import Signature, TensorSpec

__all__ = ["Backend", "CallContext", "Cancel", "Done", "ModelSpec", "OtherModels"]


class ModelSpec(Struct, frozen=True, kw_only=True):
    """All that an instance is told: one version of one entry, checked and with its weights on disk.

    Attributes:
        implementation: ``package.module:Class`` of the backend.
        params: The entry's engine parameters, checked against the backend's declared type.
        weights: Absolute path of the version's file or folder; None for backends without weights.
        chat_template: Jinja text that replaces the model's own, or None.
        tool_call_parser: The form in which the model calls tools; None takes it from the chat template.
        reasoning_parser: The form in which the model marks its reasoning; None takes it from the chat template, "" has none.
        adapters: Absolute paths of LoRA adapters, by the names under which requests ask for them.
        max_concurrency: Most requests in the engine at once; None leaves it to the engine.
        max_queue_size: Most requests that wait; one more is refused with :class:`jubako.errors.Overloaded`.
        queue_timeout_s: Longest wait in the queue, seconds; None is as long as the request may take.
        folder: Absolute path of the entry's folder, in which labels, warm-up data and version folders lie; "" if there is none.
        inputs: What the entry says of the inputs of a tensor model; empty where it leaves that to the model's file.
        outputs: The same of its outputs; their labels are read already.
        max_batch_size: As the entry says; None leaves it to the model's file.
        decoupled: Whether the entry says that a request may have any number of answers.
        parameters: The entry's ``parameters``, for a model of the user's own code.
        config: The entry as JSON of KServe's ``inference.ModelConfig``, for models that read it; "" for none.
        device_index: Which accelerator this instance is to use, counted from 0; None leaves it to the engine.
        interpreter: Absolute path of the Python interpreter that runs the instance; "" for the runner's own.
    """

    model: str
    version: int
    implementation: str
    tasks: list[Task]
    params: dict[str, Any] = {}
    weights: str | None = None
    sampling: SamplingParams = SamplingParams()
    chat_template: str | None = None
    tool_call_parser: str | None = None
    reasoning_parser: str | None = None
    adapters: dict[str, str] = {}
    max_concurrency: int | None = None
    max_queue_size: int = 128
    queue_timeout_s: float | None = None
    folder: str = ""
    inputs: list[TensorSpec] = []
    outputs: list[TensorSpec] = []
    max_batch_size: int | None = None
    decoupled: bool = False
    batching: BatchingConfig = field(default_factory=BatchingConfig)
    warmup: list[WarmupConfig] = []
    parameters: dict[str, Parameter] = {}
    config: str = ""
    device_index: int | None = None
    interpreter: str = ""


class OtherModels(Protocol):
    """The other models of the repository, as a model that calls them sees them.

    Errors are those of :class:`jubako.errors.JubakoError`. Cancelling the task, or closing the iterator, cancels the work.
    """

    async def infer(self, request: InferRequest) -> InferResult:
        """Ask the model, or ``model:version``, that `request` names, and wait while it may still become ready."""

    def infer_stream(self, request: InferRequest) -> AsyncIterator[InferResult]:
        """As :meth:`infer`, for models that give any number of answers."""

    async def signature(self, model: str) -> Signature:
        """What a model takes and gives, once it is ready."""


class Backend(ABC):
    """One loaded model behind one engine.

    Every method that answers a request may run many times at once. Cancelling its task, or closing its iterator, must free
    whatever the request holds in the engine at once. Errors for the caller are :class:`jubako.errors.JubakoError`; any other
    exception is the backend's fault, reaches the caller as a 500 without its text and is logged.
    """

    def __init__(self, spec: ModelSpec) -> None:
        self.spec = spec
        self.others: OtherModels
        """The other models: set before :meth:`load`, if the backend's declaration says `calls_models`."""

    @abstractmethod
    async def load(self) -> ModelInfo:
        """Load the model. Called once, before any request; long work belongs in a thread so that the process can be stopped.

        Raises:
            ConfigurationError: the entry is wrong, so that trying again is useless.
        """

    async def close(self) -> None:
        """Called once, when no request is left. The process exits right after, so memory needs no care."""

    @abstractmethod
    def current_load(self) -> Load:
        """How busy the engine is. Called often: must cost next to nothing."""

    def generate(self, request: GenerateRequest, call: CallContext) -> AsyncIterator[GenerateEvent]:
        """Answer a chat or a completion, event by event, each as soon as the engine has it."""
        raise self._unsupported("chat and completions")

    async def embed(self, request: EmbedRequest, call: CallContext) -> EmbedResult:
        raise self._unsupported("embeddings")

    async def score(self, request: ScoreRequest, call: CallContext) -> ScoreResult:
        raise self._unsupported("scores")

    async def classify(self, request: ClassifyRequest, call: CallContext) -> ClassifyResult:
        raise self._unsupported("classification")

    async def tokenize(self, request: TokenizeRequest) -> TokenizeResult:
        raise self._unsupported("tokenization")

    async def detokenize(self, request: DetokenizeRequest) -> DetokenizeResult:
        raise self._unsupported("tokenization")

    async def infer(self, request: InferRequest, call: CallContext) -> InferResult:
        """Answer one tensor request. Its shared memory is mapped already; outputs may be more than were asked for."""
        raise self._unsupported("tensors")

    def infer_stream(self, request: InferRequest, call: CallContext) -> AsyncIterator[InferResult]:
        """Answer one tensor request with any number of results, each as soon as there is one."""
        raise self._unsupported("tensors")

    def submit(self, request: InferRequest, done: Done) -> Cancel | None:
        """Take a tensor request whose answer will be given to `done`, without a task of its own: the short way to a batch.

        Returns what takes the request back, after which `done` is not called; None from a backend that answers only by
        :meth:`infer`.

        Raises:
            JubakoError: the request is refused.
        """
        return None

    def statistics(self) -> StatisticsResult:
        """What was done since the model was loaded."""
        return StatisticsResult()

    async def read_statistics(self) -> StatisticsResult:
        """The same, from an engine that has to be asked and may take a moment to say."""
        return self.statistics()

    def _unsupported(self, what: str) -> Unsupported:
        serves = ", ".join(self.spec.tasks) or "nothing"
        return Unsupported(f"The model {self.spec.model!r} does not serve {what}; it serves: {serves}.", param="model")
