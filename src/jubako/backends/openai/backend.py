"""The backend for servers that speak OpenAI's API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from jubako.backends.base import ModelSpec
from jubako.backends.openai import vectors
from jubako.backends.openai.answers import ChatReader, CompletionReader
from jubako.backends.openai.asking import Wording
from jubako.backends.openai.params import OpenAIParams
from jubako.backends.openai.wire import DetokenizeAnswer, TokenizeAnswer
from jubako.backends.upstream.backend import UpstreamBackend
from jubako.backends.upstream.client import Body
from jubako.backends.upstream.estimate import of_prompts
from jubako.backends.upstream.reader import AnswerReader
from jubako.channel.server import CallContext
from jubako.errors import ConfigurationError, Unsupported
from jubako.messages import (
    ChatRequest,
    ClassifyRequest,
    ClassifyResult,
    DetokenizeRequest,
    DetokenizeResult,
    EmbedRequest,
    EmbedResult,
    GenerateRequest,
    ScoreRequest,
    ScoreResult,
    TokenizeRequest,
    TokenizeResult,
)


class OpenAIBackend(UpstreamBackend[OpenAIParams]):
    """A model behind OpenAI's API, whoever serves it."""

    protocol = "openai"

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        params = self._params
        self._wording = Wording(self._preset, params.fields, spec.sampling, params.extra_body)

    def read_params(self) -> OpenAIParams:
        return msgspec.convert(self.spec.params, OpenAIParams)

    def fixed_headers(self) -> Mapping[str, str]:
        named = {"OpenAI-Organization": self._params.organization, "OpenAI-Project": self._params.project}
        return {name: value for name, value in named.items() if value}

    def check_entry(self) -> None:
        try:
            self._wording.check(self.spec.sampling)
        except Unsupported as error:
            raise ConfigurationError(f"Under `sampling`: {error.message}") from None

    def body_of(self, request: GenerateRequest, *, stream: bool) -> Body:
        if isinstance(request, ChatRequest):
            return self._wording.chat(request, stream=stream)
        return self._wording.completion(request, stream=stream)

    def reader_of(self, request: GenerateRequest, name: str) -> AnswerReader:
        if isinstance(request, ChatRequest):
            return ChatReader(name, request.n, self._redact)
        return CompletionReader(name, len(request.prompts) * request.n, self._redact)

    async def embed(self, request: EmbedRequest, call: CallContext) -> EmbedResult:
        body = self._wording.body(vectors.embedding_body(request))
        answer, allowance = await self.ask(self.path_of("embedding"), body, call, of_prompts(request.inputs))
        result = vectors.embeddings(answer, len(request.inputs))
        allowance.settle(result.usage.prompt_tokens)
        return result

    async def score(self, request: ScoreRequest, call: CallContext) -> ScoreResult:
        paths, tokens = self._preset.paths, of_prompts([*request.queries, *request.documents])
        if not paths.score and paths.rerank and len(request.queries) == 1:
            answer, _ = await self.ask(paths.rerank, self._wording.body(vectors.rerank_body(request)), call, tokens)
            return vectors.ranks(answer, len(request.documents))
        answer, _ = await self.ask(self.path_of("score"), self._wording.body(vectors.score_body(request)), call, tokens)
        return vectors.scores(answer, len(request.documents))

    async def classify(self, request: ClassifyRequest, call: CallContext) -> ClassifyResult:
        body = self._wording.body(vectors.classify_body(request))
        answer, _ = await self.ask(self.path_of("classify"), body, call, of_prompts(request.inputs))
        return vectors.classes(answer, len(request.inputs))

    async def tokenize(self, request: TokenizeRequest) -> TokenizeResult:
        body: dict[str, Any] = {"add_special_tokens": request.add_special_tokens}
        if request.messages is not None:
            body["messages"] = self._wording.messages(request.messages)
        else:
            body["prompt"] = request.text or ""
        if request.with_pieces:
            body["return_token_strs"] = True
        answer = vectors.read(await self.ask_at_once(self.path_of("tokenize"), self._wording.plain_body(body)), TokenizeAnswer)
        return TokenizeResult(
            tokens=answer.tokens,
            context_length=answer.max_model_len or self._params.context_length or 0,
            pieces=answer.token_strs or [],
        )

    async def detokenize(self, request: DetokenizeRequest) -> DetokenizeResult:
        body = self._wording.plain_body({"tokens": request.tokens})
        answer = vectors.read(await self.ask_at_once(self.path_of("detokenize"), body), DetokenizeAnswer)
        return DetokenizeResult(text=answer.prompt)
