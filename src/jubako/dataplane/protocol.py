"""What front ends ask of the data plane; :class:`jubako.dataplane.plane.DataPlane` is the one that serves."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

from jubako.dataplane.instances import InstanceActivity
from jubako.messages import (
    Caller,
    ClassifyRequest,
    ClassifyResult,
    DetokenizeRequest,
    DetokenizeResult,
    EmbedRequest,
    EmbedResult,
    GenerateEvent,
    GenerateRequest,
    GenerateResult,
    InferRequest,
    InferResult,
    ScoreRequest,
    ScoreResult,
    SharedRegion,
    StatisticsResult,
    TokenizeRequest,
    TokenizeResult,
    VersionStatus,
)
from jubako.tensors import Signature


class Plane(Protocol):
    """Answers requests. Cancelling the awaiting task, or closing the stream, ends the work behind it; so does the caller's
    deadline."""

    def models(self) -> list[VersionStatus]: ...

    def model(self, name: str) -> VersionStatus: ...

    def ready(self) -> bool: ...

    def index(self) -> list[VersionStatus]:
        """Every version of every model, those that are not loaded and entries that are broken included."""

    def signature(self, version: VersionStatus) -> Signature:
        """The tensors that a version takes and gives; of a model of text, those that it is asked with as a tensor model.

        Raises:
            ModelNotReady: it is not known before the version is loaded.
        """

    async def metrics(self) -> bytes: ...

    async def statistics(self, name: str) -> StatisticsResult:
        """What the instances of the version that `name` means have done, summed."""

    async def activity(self, version: VersionStatus) -> list[InstanceActivity]:
        """What each instance of a version is doing; one that does not say so soon is told of as far as it is known."""

    async def load(self, model: str) -> None:
        """Read the entry again and serve its versions; return once they can answer. A model that is served already goes on
        until its successor can.

        Raises:
            ModelNotFound: there is no such entry.
            ModelFailed: it can't be loaded; the message says why. What was served before still is.
        """

    async def unload(self, model: str) -> None:
        """Serve the model no longer; return once its instances are gone. Calls in flight are finished first.

        Raises:
            ModelNotFound: there is no such entry.
        """

    async def set_alias(self, model: str, alias: str, version: int) -> None:
        """Let `alias` mean a version, which is loaded first if need be; return once new requests go there.

        Raises:
            InvalidRequest: the alias can't be one.
            ModelNotFound: there is no such entry, or no such version of it.
            ModelFailed: the version can't be loaded.
            Conflict: the repository can't be written. Whatever is raised, the alias means what it meant.
        """

    async def delete_alias(self, model: str, alias: str) -> None:
        """Let `alias` mean nothing.

        Raises:
            NotFound: there is no such entry, or it has no such alias.
            Conflict: the repository can't be written; nothing has changed.
        """

    def regions(self) -> list[SharedRegion]:
        """The shared memory that is registered."""

    async def register_region(self, region: SharedRegion) -> None:
        """
        Raises:
            InvalidRequest: its name is taken, or there is no such shared memory, or it is shorter.
        """

    async def unregister_region(self, name: str | None) -> None:
        """Forget the region `name`, or all of them. One that is not registered is none already."""

    async def generate(self, request: GenerateRequest, caller: Caller) -> GenerateResult: ...

    def stream(self, request: GenerateRequest, caller: Caller) -> AsyncGenerator[list[GenerateEvent]]: ...

    async def infer(self, request: InferRequest, caller: Caller) -> InferResult:
        """Answer a tensor request; for a model of text, one with the tensors of :mod:`jubako.routing.text_tensors`."""

    def infer_stream(self, request: InferRequest, caller: Caller) -> AsyncGenerator[list[InferResult]]:
        """As :meth:`infer`, each item being all answers that have come since the last."""

    async def embed(self, request: EmbedRequest, caller: Caller) -> EmbedResult: ...

    async def score(self, request: ScoreRequest, caller: Caller) -> ScoreResult: ...

    async def classify(self, request: ClassifyRequest, caller: Caller) -> ClassifyResult: ...

    async def tokenize(self, request: TokenizeRequest, caller: Caller) -> TokenizeResult: ...

    async def detokenize(self, request: DetokenizeRequest, caller: Caller) -> DetokenizeResult: ...
