"""Hugging Face models on transformers: those that write text, and those that encode it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

from jubako.backends.base import Backend, CallContext, ModelSpec
from jubako.backends.tensor.chosen import ChosenBackend
from jubako.backends.transformers.params import TransformersParams
from jubako.errors import ConfigurationError
from jubako.messages import (
    ClassifyRequest,
    ClassifyResult,
    DetokenizeRequest,
    DetokenizeResult,
    EmbedRequest,
    EmbedResult,
    GenerateEvent,
    GenerateRequest,
    ModelInfo,
    ScoreRequest,
    ScoreResult,
    TokenizeRequest,
    TokenizeResult,
)

GENERATING = {"chat", "completion"}
ENCODING = {"embedding", "score", "classify"}


class TransformersBackend(ChosenBackend):
    """The backend ``transformers``: the entry's tasks say which kind of model answers."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        self.answering = choose(spec)

    async def load(self) -> ModelInfo:
        return await self.answering.load()

    def generate(self, request: GenerateRequest, call: CallContext) -> AsyncIterator[GenerateEvent]:
        return self.answering.generate(request, call)

    async def embed(self, request: EmbedRequest, call: CallContext) -> EmbedResult:
        return await self.answering.embed(request, call)

    async def score(self, request: ScoreRequest, call: CallContext) -> ScoreResult:
        return await self.answering.score(request, call)

    async def classify(self, request: ClassifyRequest, call: CallContext) -> ClassifyResult:
        return await self.answering.classify(request, call)

    async def tokenize(self, request: TokenizeRequest) -> TokenizeResult:
        return await self.answering.tokenize(request)

    async def detokenize(self, request: DetokenizeRequest) -> DetokenizeResult:
        return await self.answering.detokenize(request)


def choose(spec: ModelSpec) -> Backend:
    """The backend for the entry's tasks, not loaded yet.

    Raises:
        ConfigurationError: the entry has no weights, or asks one model both to write and to encode.
    """
    if spec.weights is None:
        raise ConfigurationError(f"The model {spec.model!r} has no weights; its entry needs a `source`.")
    writes, encodes = GENERATING.intersection(spec.tasks), ENCODING.intersection(spec.tasks)
    if writes and encodes:
        raise ConfigurationError(
            f"The model {spec.model!r} shall serve {', '.join(sorted(writes | encodes))}. Here a model either writes "
            "text or encodes it; make an entry for each."
        )
    weights, params = Path(spec.weights), TransformersParams(**spec.params)
    # Each kind brings modules of its own, which the other need not wait for.
    if encodes:
        from jubako.backends.encoder.model import EncoderBackend  # noqa: PLC0415
        from jubako.backends.transformers.encoder import TransformersEncoder  # noqa: PLC0415

        return EncoderBackend(spec, TransformersEncoder(weights, params))
    from jubako.backends.transformers.causal import CausalBackend  # noqa: PLC0415

    return CausalBackend(spec, weights, params)
