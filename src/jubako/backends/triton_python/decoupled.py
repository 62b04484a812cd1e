"""Models that answer a request any number of times, when they like and from any thread."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import aclosing
from contextvars import copy_context
from pathlib import Path

from jubako.backends.admission import Place
from jubako.backends.base import ModelSpec
from jubako.backends.tensor.direct import DirectBackend
from jubako.backends.tensor.intake import Member
from jubako.backends.tensor.warmup import warmup_inputs
from jubako.backends.triton_python.errors import TritonModelException
from jubako.backends.triton_python.model import TritonModel
from jubako.backends.triton_python.requests import ReceivedRequest
from jubako.backends.triton_python.responses import InferenceResponse
from jubako.errors import InternalError
from jubako.messages import InferRequest, InferResult, ModelInfo, Parameter
from jubako.tensors import Arrays


class DecoupledModel(DirectBackend):
    """Gives ``execute`` one request at a time; the model may be sending answers to many."""

    default_capacity = 128

    def __init__(self, spec: ModelSpec, model: TritonModel) -> None:
        super().__init__(spec)
        self._model = model
        # Async code may be run for many requests at once, any other for one.
        self._threads = ThreadPoolExecutor(self._admission.capacity if model.is_async else 1, "execute")

    async def load(self) -> ModelInfo:
        signature = self._model.signature
        self._open(signature)
        for warmup in self.spec.warmup:
            inputs = warmup_inputs(warmup, signature, Path(self.spec.folder))
            for _ in range(warmup.count):
                async with aclosing(self._answers(inputs, frozenset(), {}, await self._admission.enter_again())) as results:
                    async for _result in results:
                        pass
        return ModelInfo(signature=signature)

    async def close(self) -> None:
        await asyncio.to_thread(self._model.finalize)

    async def _results(self, request: InferRequest, member: Member, place: Place) -> AsyncGenerator[InferResult]:
        async with aclosing(self._answers(member.arrays, member.wanted, member.parameters, place)) as results:
            async for result in results:
                yield result

    async def _answers(
        self, inputs: Arrays, wanted: frozenset[str], parameters: Mapping[str, Parameter], place: Place
    ) -> AsyncGenerator[InferResult]:
        answer = _Streamed(place)
        self._start(self._model.request(inputs, wanted, parameters, answer), answer)
        try:
            while (response := await answer.next()) is not None:
                yield self._model.result(response)
        finally:
            answer.cancel()

    def _start(self, request: ReceivedRequest, answer: _Streamed) -> None:
        """Have the model begin; only the model holds the request from then on, so that a sender it forgets is seen to be gone."""
        pending = [request]

        def work() -> None:
            self._execute(pending)

        def executed(work: Future[None]) -> None:
            if (error := work.exception()) is not None:
                answer.fail(error)

        self._threads.submit(copy_context().run, work).add_done_callback(executed)

    def _execute(self, pending: list[ReceivedRequest]) -> None:
        request = pending.pop()
        try:
            returned = self._model.execute([request])
        except TritonModelException as error:
            raise InternalError(str(error)) from error
        if returned is not None:
            raise TypeError("execute of a decoupled model must return None, and send its responses with get_response_sender().")
        if not request.has_sender:
            raise TypeError("execute of a decoupled model returned without having asked for get_response_sender().")


class _Streamed:
    """The responses to one request, from the model's threads to the event loop. The place is free once the model has ended it."""

    def __init__(self, place: Place) -> None:
        self.cancelled = False
        self._place = place
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[InferenceResponse | BaseException | None] = asyncio.Queue()

    def put(self, response: InferenceResponse) -> None:
        self._loop.call_soon_threadsafe(self._queue.put_nowait, response)

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._end, None)

    def fail(self, error: BaseException) -> None:
        self._loop.call_soon_threadsafe(self._end, error)

    def cancel(self) -> None:
        self.cancelled = True

    async def next(self) -> InferenceResponse | None:
        """The next response; None after the last."""
        item = await self._queue.get()
        if isinstance(item, BaseException):
            raise item
        return item

    def _end(self, error: BaseException | None) -> None:
        self._place.release()
        self._queue.put_nowait(error)
