"""Everything about answering with text that does not depend on the engine."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from functools import partial

import numpy as np
from numpy.typing import NDArray

from jubako.backends.admission import Admission, Place
from jubako.backends.base import Backend, ModelSpec
from jubako.backends.text.engine import EngineInfo, Piece, TextEngine
from jubako.backends.text.plan import ChoicePlan, Planner
from jubako.backends.text.tally import Tally
from jubako.backends.text.writer import ChoiceWriter
from jubako.channel.frames import Load
from jubako.channel.server import CallContext
from jubako.errors import InvalidRequest
from jubako.messages import (
    ChatRequest,
    Delta,
    DetokenizeRequest,
    DetokenizeResult,
    EmbedRequest,
    EmbedResult,
    GenerateEvent,
    GenerateRequest,
    ModelInfo,
    Prompt,
    StatisticsResult,
    TokenizeRequest,
    TokenizeResult,
    Usage,
)


class TextBackend(Backend):
    """A backend over one :class:`TextEngine`. A subclass says which."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        self._engine = self.make_engine()
        self._embedded = 0
        self._info: EngineInfo
        self._planner: Planner
        self._admission: Admission

    @abstractmethod
    def make_engine(self) -> TextEngine:
        """The engine for `self.spec`, not loaded yet.

        Raises:
            ConfigurationError: the engine's parameters are wrong.
        """

    async def load(self) -> ModelInfo:
        self._info = info = await self._engine.load()
        self._planner = Planner(self.spec, info, self._engine)
        await self._planner.prepare()
        capacity = min(info.slots, self.spec.max_concurrency or info.slots)
        self._admission = Admission(capacity, self.spec.max_queue_size, self.spec.queue_timeout_s)
        return ModelInfo(context_length=info.context_length)

    async def close(self) -> None:
        await self._engine.close()

    def current_load(self) -> Load:
        admission = self._admission
        return Load(
            admission.running,
            admission.queued,
            admission.capacity,
            self._engine.progress + self._embedded,
            kv_cache_usage=self._engine.kv_cache_usage,
        )

    def statistics(self) -> StatisticsResult:
        return StatisticsResult(engine_metrics=self._engine.metrics())

    async def read_statistics(self) -> StatisticsResult:
        return StatisticsResult(engine_metrics=await self._engine.read_metrics())

    def generate(self, request: GenerateRequest, call: CallContext) -> AsyncIterator[GenerateEvent]:
        if isinstance(request, ChatRequest):
            self._need("chat", "chat" in self.spec.tasks)
        else:
            self._need("completions", "completion" in self.spec.tasks)
        return self._generate(request, call)

    async def embed(self, request: EmbedRequest, call: CallContext) -> EmbedResult:
        self._need("embeddings", "embedding" in self.spec.tasks)
        for prompt in request.inputs:
            self._planner.check_prompt(prompt, "input")
        with await self._admission.enter(call):
            embedded = await self._embed_all(request.inputs)
        vectors = [_shorten(vector, request.dimensions).astype("<f4").tobytes() for vector, _ in embedded]
        return EmbedResult(vectors=vectors, usage=Usage(prompt_tokens=sum(tokens for _, tokens in embedded)))

    async def tokenize(self, request: TokenizeRequest) -> TokenizeResult:
        if request.messages is not None:
            text, add_special = self._planner.render(request.messages), True
        else:
            text, add_special = request.text or "", request.add_special_tokens
        context_length = self._info.context_length
        if not request.with_pieces:
            tokens = await self._engine.tokenize(text, add_special=add_special)
            return TokenizeResult(tokens=tokens, context_length=context_length)
        tokens, pieces = await self._engine.pieces(text, add_special=add_special)
        return TokenizeResult(tokens=tokens, pieces=pieces, context_length=context_length)

    async def detokenize(self, request: DetokenizeRequest) -> DetokenizeResult:
        self._planner.check_tokens(request.tokens, "tokens")
        return DetokenizeResult(text=await self._engine.detokenize(request.tokens))

    async def _embed_all(self, prompts: list[Prompt]) -> list[tuple[NDArray[np.float32], int]]:
        """The vector of each prompt, and its tokens. The engine has all of them at once, for those that batch."""
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._embed_one(prompt)) for prompt in prompts]
        except* Exception as errors:
            raise _first(errors) from None
        return [task.result() for task in tasks]

    async def _embed_one(self, prompt: Prompt) -> tuple[NDArray[np.float32], int]:
        embedded = await self._engine.embed(prompt)
        self._embedded += 1
        return embedded

    def _need(self, what: str, served: bool) -> None:
        if not served:
            raise self._unsupported(what)

    async def _generate(self, request: GenerateRequest, call: CallContext) -> AsyncGenerator[GenerateEvent, None]:
        tally = Tally()
        plans = await self._planner.plan(request)
        with await self._admission.enter(call) as place:
            tally.admitted()
            deltas = self._one(plans[0], tally) if len(plans) == 1 else self._many(plans, place, tally)
            async with aclosing(deltas):
                async for delta in deltas:
                    yield delta
        yield tally.usage()
        yield tally.timings()

    async def _one(self, plan: ChoicePlan, tally: Tally) -> AsyncGenerator[Delta, None]:
        """The deltas of one choice, whose place is taken."""
        writer = ChoiceWriter(plan.index, plan.stop, include_stop=plan.include_stop, reader=plan.reader())
        if plan.echo and plan.params.prompt_logprobs is None:
            yield Delta(plan.index, text=plan.echo)
        async with aclosing(self._engine.generate(plan.prompt, plan.params)) as pieces:
            async for piece in pieces:
                tally.count(plan.index, plan.prompt_index, piece)
                if piece.prompt_logprobs:
                    yield _prompt_delta(plan, piece)
                delta = writer.write(piece)
                tally.reasoned(plan.index, writer.reasoning_tokens)
                if delta is not None:
                    yield delta
                if writer.finished:
                    return

    async def _many(self, plans: list[ChoicePlan], place: Place, tally: Tally) -> AsyncGenerator[Delta, None]:
        """The deltas of several choices as they come, each choice started as soon as it gets a place; the first uses `place`."""
        deltas: asyncio.Queue[Delta | None] = asyncio.Queue()
        starter = asyncio.create_task(self._start_all(plans, place, tally, deltas))
        starter.add_done_callback(lambda _: deltas.put_nowait(None))
        try:
            while (delta := await deltas.get()) is not None:
                yield delta
            await starter
        except* Exception as group:
            raise _first(group) from None
        finally:
            starter.cancel()
            await asyncio.wait([starter])

    async def _start_all(self, plans: list[ChoicePlan], place: Place, tally: Tally, deltas: asyncio.Queue[Delta | None]) -> None:
        async with asyncio.TaskGroup() as group:
            for plan in plans:
                if plan is not plans[0]:
                    place = await self._admission.enter_again()
                task = group.create_task(self._forward(plan, tally, deltas))
                # Not in the task itself: one that is cancelled before its first step would keep the place for ever.
                task.add_done_callback(partial(_release, place))

    async def _forward(self, plan: ChoicePlan, tally: Tally, deltas: asyncio.Queue[Delta | None]) -> None:
        async with aclosing(self._one(plan, tally)) as own:
            async for delta in own:
                deltas.put_nowait(delta)


def _prompt_delta(plan: ChoicePlan, piece: Piece) -> Delta:
    """What `piece` says of the prompt: in front of the text, on its own, or both."""
    scored = piece.prompt_logprobs
    return Delta(
        plan.index,
        text=plan.echo,
        logprobs=scored if plan.echo_logprobs else [],
        prompt_logprobs=scored if plan.prompt_logprobs else [],
    )


def _release(place: Place, _: asyncio.Task[None]) -> None:
    place.release()


def _first(group: BaseExceptionGroup[Exception]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _shorten(vector: NDArray[np.float32], dimensions: int | None) -> NDArray[np.float32]:
    """The first `dimensions` of `vector`, of length one again."""
    if dimensions is None:
        return vector
    if dimensions > len(vector):
        raise InvalidRequest(f"dimensions is {dimensions}, but the model's vectors have {len(vector)}.", param="dimensions")
    short = vector[:dimensions]
    length = float(np.linalg.norm(short))
    return short / np.float32(length) if length else short
