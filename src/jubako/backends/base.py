"""What a backend is: the adapter that makes one engine answer jubako's requests.

A backend lives in an instance process, alone with its model. It is made, loaded once, asked many times at once from one
event loop, and closed. It declares itself in :mod:`jubako.backends.declarations`; its module may import its engine freely,
because nothing but an instance ever imports it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from typing import Any

from msgspec import Struct

from jubako.channel.frames import Load
from jubako.channel.server import CallContext
from jubako.errors import Unsupported
from jubako.messages import (
    DetokenizeRequest,
    DetokenizeResult,
    EmbedRequest,
    EmbedResult,
    GenerateEvent,
    GenerateRequest,
    SamplingParams,
    Task,
    TokenizeRequest,
    TokenizeResult,
)


class ModelSpec(Struct, frozen=True, kw_only=True):
    """All that an instance is told: one version of one entry, checked and with its weights on disk.

    Attributes:
        implementation: ``package.module:Class`` of the backend.
        params: The entry's engine parameters, checked against the backend's declared type.
        weights: Absolute path of the version's file or folder; None for backends without weights.
        chat_template: Jinja text that replaces the model's own, or None.
        max_concurrency: Most requests in the engine at once; None leaves it to the engine.
        max_queue_size: Most requests that wait; one more is refused with :class:`jubako.errors.Overloaded`.
        queue_timeout_s: Longest wait in the queue, seconds; None is as long as the request may take.
    """

    model: str
    version: int
    implementation: str
    tasks: list[Task]
    params: dict[str, Any] = {}
    weights: str | None = None
    sampling: SamplingParams = SamplingParams()
    chat_template: str | None = None
    max_concurrency: int | None = None
    max_queue_size: int = 128
    queue_timeout_s: float | None = None


class ModelInfo(Struct, frozen=True, kw_only=True):
    """What is known only once the model is loaded."""

    context_length: int | None = None


class Backend(ABC):
    """One loaded model behind one engine.

    Every method that answers a request may run many times at once. Cancelling its task, or closing its iterator, must free
    whatever the request holds in the engine at once. Errors for the caller are :class:`jubako.errors.JubakoError`; any other
    exception is the backend's fault, reaches the caller as a 500 without its text and is logged.
    """

    def __init__(self, spec: ModelSpec) -> None:
        self.spec = spec

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

    async def tokenize(self, request: TokenizeRequest) -> TokenizeResult:
        raise self._unsupported("tokenization")

    async def detokenize(self, request: DetokenizeRequest) -> DetokenizeResult:
        raise self._unsupported("tokenization")

    def _unsupported(self, what: str) -> Unsupported:
        serves = ", ".join(self.spec.tasks) or "nothing"
        return Unsupported(f"The model {self.spec.model!r} does not serve {what}; it serves: {serves}.", param="model")
