"""Answers that come piece by piece, for asyncio."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from typing import Generic, Protocol, TypeVar

import grpc

from jubako_client._failure import failure
from jubako_client._gathering import Chunk
from jubako_client._pause import AsyncPause
from jubako_client._retry import Patience

__all__ = ["AsyncStream"]

D = TypeVar("D")
A = TypeVar("A")
T_co = TypeVar("T_co", covariant=True)


class _AsyncChunks(Protocol[T_co]):
    """What a streamed call of gRPC is to us."""

    def __aiter__(self) -> AsyncIterator[T_co]: ...

    def cancel(self) -> bool: ...


class AsyncStream(Generic[D, A], AsyncIterator[D]):
    """The deltas of an answer. Leaving its ``async with`` block, or :meth:`close`, cancels what has not come.

    ::

        async with await client.chat("smollm2", "Count to five.", stream=True) as stream:
            async for delta in stream:
                print(delta.text, end="", flush=True)
        print(stream.answer.usage)

    Reading it raises the same errors as a whole answer. Once a piece has come, none of them leads to another attempt.
    """

    def __init__(
        self,
        begin: Callable[[float | None], _AsyncChunks[Chunk[D]]],
        whole: Callable[[Sequence[Chunk[D]]], A],
        patience: Patience,
        request_id: str,
    ) -> None:
        self.request_id = request_id
        self._begin = begin
        self._whole = whole
        self._patience = patience
        self._call = begin(patience.remaining_s())
        self._coming = aiter(self._call)
        self._chunks: list[Chunk[D]] = []
        self._waiting: deque[D] = deque()
        self._closed = False
        self._pause = AsyncPause()

    @property
    def answer(self) -> A:
        """The whole after the end; before it, what has come so far."""
        return self._whole(self._chunks)

    async def close(self) -> None:
        """Take no more: the server ends its work on the answer."""
        self._closed = True
        self._waiting.clear()
        self._pause.end()
        self._call.cancel()

    def __aiter__(self) -> AsyncStream[D, A]:
        return self

    async def __anext__(self) -> D:
        while not self._waiting:
            if self._closed:
                raise StopAsyncIteration
            try:
                chunk = await anext(self._coming)
            except StopAsyncIteration:
                self._closed = True
            except grpc.RpcError as error:
                await self._recover(error)
            else:
                self._chunks.append(chunk)
                self._waiting.extend(chunk.deltas)
        return self._waiting.popleft()

    async def __aenter__(self) -> AsyncStream[D, A]:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __del__(self) -> None:
        # One that is left in the middle and forgotten, as by a break out of its loop.
        if not getattr(self, "_closed", True):
            with suppress(RuntimeError):  # what it ran on has ended, and so has it
                self._call.cancel()

    async def _recover(self, error: grpc.RpcError) -> None:
        """Begin again, if nothing has come yet and it makes sense."""
        if self._closed:
            return
        meant = failure(error, self.request_id)
        delay_s = None if self._chunks else self._patience.delay_s(meant)
        if delay_s is None:
            self._closed = True
            raise meant from None
        await self._pause.wait(delay_s)
        if self._closed:
            return
        self._call = self._begin(self._patience.remaining_s())
        self._coming = aiter(self._call)
