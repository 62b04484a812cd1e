"""Models that answer request by request, without a batcher: async code and generators."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import aclosing
from typing import cast

from jubako.backends.admission import Admission, Place
from jubako.backends.base import ModelSpec
from jubako.backends.python.engine import PythonEngine, row, stack
from jubako.backends.python.received import received_arrays
from jubako.backends.python.user_model import UserModel
from jubako.channel.frames import Load
from jubako.channel.server import CallContext
from jubako.errors import Unsupported
from jubako.messages import InferRequest, InferResult, Parameter
from jubako.tensors import Arrays, from_array

ASYNC_CAPACITY = 128
"""Requests in async code at once, where the entry does not say."""

THREADS = 16
"""Generators that run at once, where the entry does not say; each has a thread."""


class DirectModel(ABC):
    """Admission, and the way from a request to answers."""

    default_capacity = ASYNC_CAPACITY

    def __init__(self, spec: ModelSpec, model: UserModel) -> None:
        self.model = model
        capacity = spec.max_concurrency or self.default_capacity
        self._admission = Admission(capacity, spec.max_queue_size, spec.queue_timeout_s)
        self._progress = 0
        self._outputs = {output.name: output for output in model.signature.outputs}

    def current_load(self) -> Load:
        admission = self._admission
        return Load(admission.running, admission.queued, admission.capacity, self._progress)

    async def infer(self, request: InferRequest, call: CallContext) -> InferResult:
        """The one answer to a request.

        Raises:
            Unsupported: the model gave none, or several.
        """
        async with aclosing(self.infer_stream(request, call)) as results:
            found = [result async for result in results]
        if len(found) != 1:
            raise Unsupported(
                f"The model {request.model!r} gave {len(found)} answers to this request, and one is asked for. Ask for a stream.",
                param="model",
            )
        return found[0]

    async def infer_stream(self, request: InferRequest, call: CallContext) -> AsyncGenerator[InferResult]:
        inputs = received_arrays(request, self.model.signature)
        place = await self._admission.enter(call)
        async with aclosing(self._answers(inputs, request.parameters, place)) as answers:
            async for answer in answers:
                self._progress += 1
                yield self._result(self.model.outputs(answer))

    @abstractmethod
    def _answers(self, inputs: Arrays, parameters: Mapping[str, Parameter], place: Place) -> AsyncGenerator[object]:
        """What the user's code gives; `place` is released when it is done, or closed."""

    def _result(self, arrays: Arrays) -> InferResult:
        return InferResult(outputs=[from_array(name, array, self._outputs[name].datatype) for name, array in arrays.items()])


class SyncModel(DirectModel):
    """``def infer``: in a thread, one request after the other."""

    default_capacity = 1

    def __init__(self, spec: ModelSpec, model: UserModel) -> None:
        super().__init__(spec, model)
        self._engine = PythonEngine(spec, model)

    async def _answers(self, inputs: Arrays, parameters: Mapping[str, Parameter], place: Place) -> AsyncGenerator[object]:
        with place:
            yield await asyncio.to_thread(self._engine.run, inputs, frozenset(self._outputs), parameters)


class AsyncModel(DirectModel):
    """``async def infer``: runs on the event loop of the instance."""

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

    default_capacity = THREADS

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
    """A generator in pieces that a thread each can run."""

    END = object()

    def __init__(self, model: UserModel, inputs: Arrays, parameters: Mapping[str, Parameter]) -> None:
        self._start: Callable[[], object] = lambda: model.call(inputs, parameters)
        self._answers: Iterator[object] | None = None

    def next(self) -> object:
        if self._answers is None:
            self._answers = iter(cast(Iterator[object], self._start()))
        return next(self._answers, self.END)

    def close(self) -> None:
        if (close := getattr(self._answers, "close", None)) is not None:
            close()
