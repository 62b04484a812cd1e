"""Everything about embedding, scoring and classifying text that does not depend on the engine."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TypeVar

from jubako.backends.base import Backend, CallContext, ModelSpec
from jubako.backends.encoder.engine import EncoderEngine, EncoderInfo, Head, Role, TokenSequence, Vector
from jubako.backends.encoder.gathering import EncoderBatcher, Gathering, Item
from jubako.backends.encoder.lengths import bucket_of, default_buckets
from jubako.backends.encoder.vectors import cosine, shorten
from jubako.backends.tensor.tally import Tally, Times
from jubako.batching.batcher import Batcher
from jubako.channel.frames import Load
from jubako.errors import ConfigurationError, InvalidRequest, Overloaded, PromptTooLong
from jubako.messages import (
    Caller,
    ClassifyRequest,
    ClassifyResult,
    DetokenizeRequest,
    DetokenizeResult,
    EmbedRequest,
    EmbedResult,
    ModelInfo,
    Prompt,
    ScoreRequest,
    ScoreResult,
    StatisticsResult,
    Task,
    TokenizeRequest,
    TokenizeResult,
    Usage,
)
from jubako.repository.config import BatchingConfig

log = logging.getLogger(__name__)

T = TypeVar("T")

TOKENS = "tokens"
"""How the entry's ``batching`` calls what is counted as work, and what length buckets are for."""

TASKS: dict[Head, tuple[Task, ...]] = {"vectors": ("embedding", "score"), "scores": ("score",), "classes": ("classify",)}
"""What a model with this head can serve."""

_GIVES: dict[Head, str] = {
    "vectors": "has no head for scores or classes, so it gives embeddings",
    "scores": "scores pairs of texts",
    "classes": "sorts text into classes",
}


class EncoderBackend(Backend):
    """Answers from one :class:`EncoderEngine`, in batches whose size is counted in tokens."""

    def __init__(self, spec: ModelSpec, engine: EncoderEngine) -> None:
        super().__init__(spec)
        self._engine = engine
        self._tally = Tally()
        self._tokenizing = ThreadPoolExecutor(1, thread_name_prefix=f"{spec.model} tokenizer")
        self._buckets: Sequence[int] = ()
        self._max_queue_size = spec.max_queue_size
        self._window = 1
        self._info: EncoderInfo
        self._batcher: EncoderBatcher

    async def load(self) -> ModelInfo:
        _check_batching(self.spec.batching)
        self._info = info = await asyncio.to_thread(self._engine.load)
        _check_tasks(self.spec, info)
        batching = self.spec.batching
        rows = (self.spec.max_batch_size or info.batch_rows) if batching.enabled else 1
        if not info.packs:
            self._buckets = sorted(batching.length_buckets.get(TOKENS, [])) or default_buckets(info.context_length)
        if batching.queue.max_size is not None:
            self._max_queue_size = batching.queue.max_size
        self._window = rows
        self._batcher = Batcher(
            # Requests are refused here, whole; what a request that was taken still has to put into the queue never is.
            replace(
                batching,
                cost=TOKENS,
                max_work=batching.max_work or info.batch_tokens,
                queue=replace(batching.queue, max_size=None),
            ),
            max_rows=rows,
            max_queue_size=2**31,
            queue_timeout_s=self.spec.queue_timeout_s,
            run=self._run,
            name=f"{self.spec.model}:{self.spec.version}",
            inline=False,
        )
        return ModelInfo(context_length=info.context_length)

    async def close(self) -> None:
        await self._batcher.close()
        self._tokenizing.shutdown()
        await asyncio.to_thread(self._engine.close)

    def current_load(self) -> Load:
        batcher = self._batcher
        return Load(batcher.running, batcher.queued, batcher.capacity, batcher.progress)

    def statistics(self) -> StatisticsResult:
        return self._tally.statistics(self._batcher.statistics())

    # --- what is asked

    async def embed(self, request: EmbedRequest, call: CallContext) -> EmbedResult:
        self._need("embedding", "embeddings")
        self._check_dimensions(request.dimensions)
        sequences = await self._read(request.inputs)
        vectors = await self._compute(sequences, call.caller)
        return EmbedResult(
            vectors=[shorten(vector, request.dimensions).astype("<f4").tobytes() for vector in vectors],
            usage=_usage(sequences),
        )

    async def score(self, request: ScoreRequest, call: CallContext) -> ScoreResult:
        self._need("score", "scores")
        queries, documents = request.queries, request.documents
        if not queries or not documents or len(queries) not in (1, len(documents)):
            raise InvalidRequest(
                f"There are {len(queries)} queries and {len(documents)} documents. Send one query, or one for each document.",
                param="queries",
            )
        if self._info.head == "vectors":
            return await self._compare(queries, documents, call.caller)
        pairs = [*zip(queries * len(documents) if len(queries) == 1 else queries, documents, strict=True)]
        sequences = await self._in_tokenizer(partial(self._engine.tokenize_pairs, pairs))
        self._check_lengths(sequences, "documents")
        scores = await self._compute(sequences, call.caller)
        return ScoreResult(scores=[float(score[0]) for score in scores], usage=_usage(sequences))

    async def classify(self, request: ClassifyRequest, call: CallContext) -> ClassifyResult:
        self._need("classify", "classification")
        sequences = await self._read(request.inputs)
        probabilities = await self._compute(sequences, call.caller)
        return ClassifyResult(
            labels=self._info.labels, probabilities=[found.tolist() for found in probabilities], usage=_usage(sequences)
        )

    async def tokenize(self, request: TokenizeRequest) -> TokenizeResult:
        if request.messages is not None:
            raise InvalidRequest(f"The model {self.spec.model!r} does not chat; send its text as `prompt`.", param="messages")
        tokenize = partial(self._engine.tokenize, [request.text or ""], add_special=request.add_special_tokens)
        (sequence,) = await self._in_tokenizer(tokenize)
        pieces = await self._in_tokenizer(partial(self._engine.pieces, sequence.ids)) if request.with_pieces else []
        return TokenizeResult(tokens=sequence.ids, context_length=self._info.context_length, pieces=pieces)

    async def detokenize(self, request: DetokenizeRequest) -> DetokenizeResult:
        self._check_ids(request.tokens, "tokens")
        return DetokenizeResult(text=await self._in_tokenizer(partial(self._engine.detokenize, request.tokens)))

    # --- from a request to sequences

    async def _read(self, inputs: Sequence[Prompt]) -> list[TokenSequence]:
        """The sequences of inputs that are texts or token ids, checked."""
        if not inputs:
            raise InvalidRequest("There is no input; send at least one.", param="input")
        for given in inputs:
            if not isinstance(given, str):
                self._check_ids(given, "input")
        sequences = iter(await self._tokenized([given for given in inputs if isinstance(given, str)], "text"))
        read = [next(sequences) if isinstance(given, str) else TokenSequence(given) for given in inputs]
        self._check_lengths(read, "input")
        return read

    async def _tokenized(self, texts: Sequence[str], role: Role) -> list[TokenSequence]:
        return await self._in_tokenizer(partial(self._engine.tokenize, texts, role)) if texts else []

    async def _in_tokenizer(self, function: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._tokenizing, function)

    def _check_ids(self, ids: Sequence[int], param: str) -> None:
        if ids and not 0 <= min(ids) <= max(ids) < self._info.vocab_size:
            wrong = min(ids) if min(ids) < 0 else max(ids)
            raise InvalidRequest(
                f"There is no token {wrong}: the model's token ids go from 0 to {self._info.vocab_size - 1}.", param=param
            )

    def _check_lengths(self, sequences: Sequence[TokenSequence], param: str) -> None:
        longest = self._info.context_length
        for sequence in sequences:
            if not sequence.ids:
                raise InvalidRequest("The input is empty; give it at least one token.", param=param)
            if len(sequence) > longest:
                raise PromptTooLong(
                    f"The input has {len(sequence)} tokens, but the model's context holds {longest}. Shorten the input.",
                    param=param,
                )

    def _check_dimensions(self, dimensions: int | None) -> None:
        if dimensions is None or 1 <= dimensions <= self._info.dimensions:
            return
        raise InvalidRequest(
            f"dimensions is {dimensions}, but the model's vectors have {self._info.dimensions}.", param="dimensions"
        )

    def _need(self, task: Task, what: str) -> None:
        if task not in self.spec.tasks:
            raise self._unsupported(what)

    # --- from sequences to answers

    async def _compute(self, sequences: Sequence[TokenSequence], caller: Caller) -> list[Vector]:
        waiting = self._batcher.queued
        room = 0 if self._batcher.running else self._window
        if waiting >= self._max_queue_size + room:
            raise Overloaded(
                f"The model is busy: {waiting} inputs wait, and at most {self._max_queue_size} may. Try again in a moment.",
                retry_after_s=1,
            )
        return await Gathering(sequences, self._batcher, self._length_of, self._window, caller.deadline).answers()

    def _length_of(self, sequence: TokenSequence) -> int:
        return bucket_of(len(sequence), self._buckets) if self._buckets else 0

    async def _compare(self, queries: Sequence[str], documents: Sequence[str], caller: Caller) -> ScoreResult:
        """The cosines of the embeddings."""
        sequences = [*await self._tokenized(queries, "query"), *await self._tokenized(documents, "document")]
        self._check_lengths(sequences, "documents")
        vectors = await self._compute(sequences, caller)
        asked, offered = vectors[: len(queries)], vectors[len(queries) :]
        pairs = zip(asked * len(offered) if len(asked) == 1 else asked, offered, strict=True)
        return ScoreResult(scores=[cosine(query, document) for query, document in pairs], usage=_usage(sequences))

    def _run(self, items: list[Item]) -> list[Vector | Exception]:
        """Compute one batch, in a thread of the batcher's."""
        begun = time.perf_counter()
        try:
            answers = self._engine.encode([item.sequence for item in items])
        except Exception as error:
            if len(items) == 1:
                self._tally.failed(items, time.perf_counter())
                return [error]
            log.warning("a batch of %d inputs to %s failed; each is computed again by itself", len(items), self.spec.model)
        else:
            ended = time.perf_counter()
            self._tally.executed(items, len(items), Times(begun, begun, ended, ended))
            return [*answers]
        # One of them may have been the reason: the others must not pay for it.
        return [answer for item in items for answer in self._run([item])]


def _usage(sequences: Sequence[TokenSequence]) -> Usage:
    return Usage(prompt_tokens=sum(map(len, sequences)))


def _check_batching(batching: BatchingConfig) -> None:
    if batching.cost not in ("rows", TOKENS):
        raise ConfigurationError(
            f"`batching.cost` is {batching.cost!r}, but a model that encodes text counts its work in tokens. Leave it out."
        )
    if other := sorted(set(batching.length_buckets) - {TOKENS}):
        raise ConfigurationError(
            f"`batching.length_buckets` names {other[0]!r}; a model that encodes text has buckets for `{TOKENS}` only."
        )


def _check_tasks(spec: ModelSpec, info: EncoderInfo) -> None:
    can = TASKS[info.head]
    if wrong := [task for task in spec.tasks if task not in can]:
        raise ConfigurationError(
            f"The entry says that {spec.model!r} serves {wrong[0]!r}, but the model {_GIVES[info.head]}. Write `tasks: "
            f"[{', '.join(can)}]`, or one of these."
        )
