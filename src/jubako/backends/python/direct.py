"""Async code and generators: answered request by request."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import aclosing
from contextvars import copy_context
from pathlib import Path
from typing import cast

from jubako.backends.admission import Place
from jubako.backends.base import ModelSpec
from jubako.backends.python.engine import row, stack
from jubako.backends.python.user_model import UserModel
from jubako.backends.tensor.direct import DirectBackend
from jubako.backends.tensor.intake import Member
from jubako.backends.tensor.warmup import warmup_inputs
from jubako.messages import InferRequest, InferResult, ModelInfo, Parameter
from jubako.tensors import Arrays, from_array


class DirectModel(DirectBackend):
    """The way from a request to the user's code and back."""

    def __init__(self, spec: ModelSpec, model: UserModel) -> None:
        super().__init__(spec)
        self.model = model
        self._datatypes = {output.name: output.datatype for output in model.signature.outputs}

    async def load(self) -> ModelInfo:
        signature = self.model.signature
        self._open(signature)
        for warmup in self.spec.warmup:
            inputs = warmup_inputs(warmup, signature, Path(self.spec.folder))
            for _ in range(warmup.count):
                async with aclosing(self._answers(inputs, {}, await self._admission.enter_again())) as answers:
                    async for answer in answers:
                        self.model.outputs(answer)
        return ModelInfo(signature=signature)

    async def _results(self, request: InferRequest, member: Member, place: Place) -> AsyncGenerator[InferResult]:
        async with aclosing(self._answers(member.arrays, member.parameters, place)) as answers:
            async for answer in answers:
                yield self._result(self.model.outputs(answer))

    @abstractmethod
    def _answers(self, inputs: Arrays, parameters: Mapping[str, Parameter], place: Place) -> AsyncGenerator[object]:
        """What the user's code gives; `place` is released when it is done, or closed."""

    def _result(self, arrays: Arrays) -> InferResult:
        return InferResult(outputs=[from_array(name, array, self._datatypes[name]) for name, array in arrays.items()])


class AsyncModel(DirectModel):
    """``async def infer``: runs on the event loop of the instance."""

    default_capacity = 128

    async def _answers(self, inputs: Arrays, parameters: Mapping[str, Parameter], place: Place) -> AsyncGenerator[object]:
        with place:
            yield await self._answer(inputs, parameters)

    async def _answer(self, inputs: Arrays, parameters: Mapping[str, Parameter]) -> object:
        if not self.model.by_row:
            return await cast(Awaitable[object], self.model.call(inputs, parameters))
        rows = len(next(iter(inputs.values())))
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._row(row(inputs, index), parameters)) for index in range(rows)]
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        return stack([task.result() for task in tasks])

    async def _row(self, inputs: Arrays, parameters: Mapping[str, Parameter]) -> Arrays:
        return self.model.outputs(await cast(Awaitable[object], self.model.call(inputs, parameters)))


class AsyncGeneratorModel(DirectModel):
    """``async def infer`` that yields: each value is an answer."""

    default_capacity = 128

    async def _answers(self, inputs: Arrays, parameters: Mapping[str, Parameter], place: Place) -> AsyncGenerator[object]:
        with place:
            answers = cast(AsyncIterator[object], self.model.call(inputs, parameters))
            try:
                async for answer in answers:
                    yield answer
            finally:
                if (aclose := getattr(answers, "aclose", None)) is not None:
                    await aclose()


class GeneratorModel(DirectModel):
    """``def infer`` that yields: each step runs in a thread, and the next only when the last answer has been taken."""

    default_capacity = 16

    def __init__(self, spec: ModelSpec, model: UserModel) -> None:
        super().__init__(spec, model)
        # As many threads as places: no step ever waits for one.
        self._threads = ThreadPoolExecutor(self._admission.capacity, "infer")

    async def _answers(self, inputs: Arrays, parameters: Mapping[str, Parameter], place: Place) -> AsyncGenerator[object]:
        answers = _Steps(self.model, inputs, parameters)
        step: Future[object] = self._threads.submit(answers.next)
        try:
            while (answer := await asyncio.wrap_future(step)) is not answers.END:
                yield answer
                step = self._threads.submit(answers.next)
        finally:
            self._close(answers, step, place)

    def _close(self, answers: _Steps, step: Future[object], place: Place) -> None:
        """Close the generator once its step is over, which can't be interrupted; its place is taken until then."""
        loop = asyncio.get_running_loop()

        def closed(_: Future[None]) -> None:
            loop.call_soon_threadsafe(place.release)

        step.add_done_callback(lambda _: self._threads.submit(answers.close).add_done_callback(closed))


class _Steps:
    """A generator, one call a step, each of which may be made by another thread, on behalf of who made this."""

    END = object()

    def __init__(self, model: UserModel, inputs: Arrays, parameters: Mapping[str, Parameter]) -> None:
        self._model = model
        self._inputs = inputs
        self._parameters = parameters
        self._answers: Iterator[object] | None = None
        self._context = copy_context()

    def next(self) -> object:
        return self._context.run(self._next)

    def _next(self) -> object:
        if self._answers is None:
            self._answers = iter(cast(Iterator[object], self._model.call(self._inputs, self._parameters)))
        return next(self._answers, self.END)

    def close(self) -> None:
        if (close := getattr(self._answers, "close", None)) is not None:
            self._context.run(close)
