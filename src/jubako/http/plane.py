"""What the gateway asks of the data plane; :class:`jubako.dataplane.plane.DataPlane` is the one that serves."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

from jubako.messages import (
    DetokenizeRequest,
    DetokenizeResult,
    EmbedRequest,
    EmbedResult,
    GenerateEvent,
    GenerateRequest,
    GenerateResult,
    TokenizeRequest,
    TokenizeResult,
    VersionStatus,
)


class Plane(Protocol):
    """Answers requests. Cancelling the awaiting task, or closing the stream, ends the work behind it."""

    def models(self) -> list[VersionStatus]: ...

    def model(self, name: str) -> VersionStatus: ...

    def ready(self) -> bool: ...

    def metrics(self) -> bytes: ...

    async def generate(self, request: GenerateRequest, request_id: str) -> GenerateResult: ...

    def stream(self, request: GenerateRequest, request_id: str) -> AsyncGenerator[list[GenerateEvent]]: ...

    async def embed(self, request: EmbedRequest, request_id: str) -> EmbedResult: ...

    async def tokenize(self, request: TokenizeRequest, request_id: str) -> TokenizeResult: ...

    async def detokenize(self, request: DetokenizeRequest, request_id: str) -> DetokenizeResult: ...
