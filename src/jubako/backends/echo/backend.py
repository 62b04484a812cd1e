"""A model that is none: it answers with the words it was asked, at once or at a set pace.

A benchmark sees through it what jubako itself costs; a test sees requests that last as long as it wants. Its tokens are words.
Of the sampling parameters it honours ``max_tokens``; a constraint or tools change nothing.
"""

from __future__ import annotations

import asyncio
import re
import time
import zlib
from collections.abc import AsyncIterator, Iterator
from itertools import pairwise

import msgspec
import numpy as np

from jubako.backends.admission import Admission
from jubako.backends.base import Backend, ModelSpec
from jubako.backends.echo.params import EchoParams
from jubako.channel.frames import Load
from jubako.channel.server import CallContext
from jubako.errors import PromptTooLong, Unsupported
from jubako.messages import (
    ChatRequest,
    ClassifyRequest,
    ClassifyResult,
    CompletionRequest,
    Delta,
    DetokenizeRequest,
    DetokenizeResult,
    EmbedRequest,
    EmbedResult,
    FinishReason,
    GenerateEvent,
    GenerateRequest,
    Message,
    ModelInfo,
    Prompt,
    ScoreRequest,
    ScoreResult,
    TextPart,
    Timings,
    TokenId,
    TokenizeRequest,
    TokenizeResult,
    TokenLogprob,
    TopLogprob,
    Usage,
)

DIMENSIONS = 8
"""Length of an embedding."""

LABELS = ["short", "long"]
"""The classes of a text: one of a single word is as likely short as long."""

_WORD = re.compile(r"\s*\S+")

WORDS_REMEMBERED = 65536
"""Words that were tokenized and can be had back from their ids; past that all are forgotten."""


class EchoBackend(Backend):
    """Says again what it was told: a chat's last user message, a completion's prompt."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        self._params = msgspec.convert(spec.params, EchoParams)
        capacity = min(self._params.slots, spec.max_concurrency or self._params.slots)
        self._admission = Admission(capacity, spec.max_queue_size, spec.queue_timeout_s)
        self._load_delay_s = self._params.load_delay_s
        self._word_delay_s = self._params.token_delay_s
        self._words: dict[TokenId, str] = {}
        self._progress = 0

    async def load(self) -> ModelInfo:
        await asyncio.sleep(self._load_delay_s)
        return ModelInfo(context_length=self._params.context_length)

    def current_load(self) -> Load:
        admission = self._admission
        return Load(admission.running, admission.queued, admission.capacity, self._progress)

    async def generate(self, request: GenerateRequest, call: CallContext) -> AsyncIterator[GenerateEvent]:
        if request.prompt_logprobs is not None:
            raise Unsupported("An echo has nothing to score a prompt with. Leave `prompt_logprobs` out.", param="prompt_logprobs")
        clock = _Clock()
        texts = self._texts(request)
        prompt_words = sum(map(len, texts))
        completion_words = 0
        with await self._admission.enter(call):
            clock.start()
            for index, words in enumerate(text for text in texts for _ in range(request.n)):
                answer, finish = self._cut(words, request)
                for delta in self._deltas(index, answer, finish, request.top_logprobs):
                    if self._word_delay_s:
                        await asyncio.sleep(self._word_delay_s)
                        clock.say()
                    self._progress += 1
                    yield delta
                completion_words += len(answer)
            yield Usage(prompt_words, completion_words)
            yield clock.timings()

    async def embed(self, request: EmbedRequest, call: CallContext) -> EmbedResult:
        texts = [self._words_of(prompt) for prompt in request.inputs]
        for words in texts:
            self._check_length(len(words))
        with await self._admission.enter(call):
            self._progress += 1
            vectors = [_embedding("".join(words), request.dimensions) for words in texts]
            return EmbedResult(vectors=vectors, usage=Usage(sum(map(len, texts))))

    async def score(self, request: ScoreRequest, call: CallContext) -> ScoreResult:
        """A document's score is the part of the query's words that are in it."""
        queries = [_split(query) for query in request.queries]
        documents = [_split(document) for document in request.documents]
        if len(queries) == 1:
            queries *= len(documents)
        pairs = list(zip(queries, documents, strict=True))
        for query, document in pairs:
            self._check_length(len(query) + len(document))
        with await self._admission.enter(call):
            self._progress += 1
            tokens = sum(len(query) + len(document) for query, document in pairs)
            return ScoreResult(scores=[_overlap(*pair) for pair in pairs], usage=Usage(tokens))

    async def classify(self, request: ClassifyRequest, call: CallContext) -> ClassifyResult:
        lengths = [len(self._words_of(prompt)) for prompt in request.inputs]
        for length in lengths:
            self._check_length(length)
        with await self._admission.enter(call):
            self._progress += 1
            probabilities = [[1 / (length + 1), length / (length + 1)] for length in lengths]
            return ClassifyResult(labels=LABELS, probabilities=probabilities, usage=Usage(sum(lengths)))

    async def tokenize(self, request: TokenizeRequest) -> TokenizeResult:
        text = request.text if request.text is not None else " ".join(map(_text_of, request.messages or []))
        pieces = _split(text)
        if len(self._words) + len(pieces) > WORDS_REMEMBERED:
            self._words.clear()
        tokens = [zlib.crc32(piece.encode()) for piece in pieces]
        self._words.update(zip(tokens, pieces, strict=True))
        return TokenizeResult(
            tokens=tokens, context_length=self._params.context_length, pieces=pieces if request.with_pieces else []
        )

    async def detokenize(self, request: DetokenizeRequest) -> DetokenizeResult:
        return DetokenizeResult(text="".join(self._words_of(request.tokens)))

    def _texts(self, request: GenerateRequest) -> list[list[str]]:
        """The words of each prompt, which are also those of its answer."""
        match request:
            case ChatRequest():
                last = next((message for message in reversed(request.messages) if message.role == "user"), request.messages[-1])
                texts = [_split(_text_of(last))]
            case CompletionRequest():
                texts = [self._words_of(prompt) for prompt in request.prompts]
                if request.echo:  # said before the answer, which is the same
                    texts = [[*words, " ", *words] for words in texts]
        for words in texts:
            self._check_length(len(words))
        return texts

    def _words_of(self, prompt: Prompt) -> list[str]:
        if isinstance(prompt, str):
            return _split(prompt)
        return [self._words.get(token, f" <{token}>") for token in prompt]

    def _check_length(self, words: int) -> None:
        if words > (limit := self._params.context_length):
            raise PromptTooLong(
                f"The prompt has {words} tokens; the model {self.spec.model!r} takes at most {limit}. Shorten it."
            )

    def _cut(self, words: list[str], request: GenerateRequest) -> tuple[list[str], FinishReason]:
        limit = request.sampling.max_tokens or self.spec.sampling.max_tokens
        return (words, "stop") if limit is None or len(words) <= limit else (words[:limit], "length")

    def _deltas(self, index: int, words: list[str], finish: FinishReason, top_logprobs: int | None) -> Iterator[Delta]:
        """One delta a word at a set pace, else one for all."""
        parts = [[word] for word in words] if self._word_delay_s and words else [words]
        for number, part in enumerate(parts, 1):
            yield Delta(
                index=index,
                text="".join(part),
                logprobs=[] if top_logprobs is None else [_certain(word, top_logprobs) for word in part],
                finish_reason=finish if number == len(parts) else None,
            )


class _Clock:
    """When a request arrived, had its place, and said something."""

    def __init__(self) -> None:
        self._arrived = self._started = time.monotonic()
        self._said: list[float] = []

    def start(self) -> None:
        self._started = time.monotonic()

    def say(self) -> None:
        self._said.append(time.monotonic())

    def timings(self) -> Timings:
        said = self._said
        return Timings(
            queue_s=self._started - self._arrived,
            first_token_s=(said[0] if said else self._started) - self._arrived,
            gaps_s=[after - before for before, after in pairwise(said)],
        )


def _split(text: str) -> list[str]:
    """The words of `text`, each with the space before it."""
    return _WORD.findall(text)


def _text_of(message: Message) -> str:
    if isinstance(message.content, list):
        return "".join(part.text for part in message.content if isinstance(part, TextPart))
    return message.content or ""


def _certain(word: str, top_logprobs: int) -> TokenLogprob:
    data = list(word.encode())
    top = [TopLogprob(word, 0.0, data)] if top_logprobs else []
    return TokenLogprob(word, 0.0, data, top, zlib.crc32(word.encode()))


def _overlap(query: list[str], document: list[str]) -> float:
    asked = {word.strip() for word in query}
    return len(asked & {word.strip() for word in document}) / max(len(asked), 1)


def _embedding(text: str, dimensions: int | None) -> bytes:
    """A vector of length 1 that depends on the text alone."""
    vector = np.random.default_rng(zlib.crc32(text.encode())).standard_normal(DIMENSIONS)[:dimensions]
    return (vector / np.linalg.norm(vector)).astype("<f4").tobytes()
