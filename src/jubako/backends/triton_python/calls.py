"""Calls of other models out of ``execute``: what Triton calls business logic scripting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing

from jubako.backends.base import OtherModels
from jubako.backends.triton_python.errors import to_triton
from jubako.backends.triton_python.responses import InferenceResponse
from jubako.backends.triton_python.tensors import Tensor
from jubako.errors import JubakoError
from jubako.messages import InferRequest, InferResult
from jubako.tensors import to_array


class Calls:
    """The other models, for code that runs in threads or loops of its own. An error is a response, never raised.

    Args:
        others: Asked for at the first call, because it is set while the instance starts.
        loop: The event loop of the instance, which carries the calls.
    """

    def __init__(self, others: Callable[[], OtherModels], loop: asyncio.AbstractEventLoop) -> None:
        self._others = others
        self._loop = loop

    def ask(self, request: InferRequest) -> InferenceResponse:
        return asyncio.run_coroutine_threadsafe(self._ask(request), self._loop).result()

    async def ask_async(self, request: InferRequest) -> InferenceResponse:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._ask(request), self._loop))

    def stream(self, request: InferRequest) -> ResponseStream:
        return ResponseStream(self._stream(request), self._loop)

    async def _ask(self, request: InferRequest) -> InferenceResponse:
        try:
            return _response(await self._others().infer(request))
        except JubakoError as error:
            return InferenceResponse(error=to_triton(error))

    async def _stream(self, request: InferRequest) -> AsyncIterator[InferenceResponse]:
        try:
            async with aclosing(self._others().infer_stream(request)) as results:  # type: ignore[type-var]
                async for result in results:
                    yield _response(result)
        except JubakoError as error:
            yield InferenceResponse(error=to_triton(error))


class ResponseStream:
    """The answers of a decoupled model, each waited for as it is looked at. Leaving the loop early ends the work there."""

    def __init__(self, responses: AsyncIterator[InferenceResponse], loop: asyncio.AbstractEventLoop) -> None:
        self._responses = responses
        self._loop = loop

    def __iter__(self) -> Iterator[InferenceResponse]:
        try:
            while (response := self._next()) is not None:
                yield response
        finally:
            self.cancel()

    def cancel(self) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()

    def _next(self) -> InferenceResponse | None:
        async def step() -> InferenceResponse | None:
            return await anext(self._responses, None)

        return asyncio.run_coroutine_threadsafe(step(), self._loop).result()

    async def _close(self) -> None:
        await self._responses.aclose()  # type: ignore[attr-defined]  # an async generator


def _response(result: InferResult) -> InferenceResponse:
    tensors = [Tensor(output.name, to_array(output)) for output in result.outputs]
    return InferenceResponse(tensors, parameters=result.parameters)
