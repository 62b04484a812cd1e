"""Answers that come piece by piece."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Generic, TypeVar

import grpc
import grpc.aio

from jubako_client._failure import failure
from jubako_client._gathering import Gathering
from jubako_client._retry import Patience

__all__ = ["AsyncStream", "Stream"]

D = TypeVar("D")
A = TypeVar("A")


class Stream(Generic[D, A], Iterator[D]):
    """The deltas of an answer. Leaving its ``with`` block, or :meth:`close`, cancels what has not come."""

    def __init__(
        self, begin: Callable[[float | None], Any], gathering: Gathering[Any, D, A], patience: Patience, request_id: str
    ) -> None:
        self.request_id = request_id
        self._begin = begin
        self._gathering = gathering
        self._patience = patience
        self._call = begin(patience.remaining_s())
        self._waiting: deque[D] = deque()
        self._has_begun = False
        self._closed = False

    @property
    def answer(self) -> A:
        """The whole after the end; before it, what has come so far."""
        return self._gathering.answer()

    def close(self) -> None:
        self._closed = True
        self._waiting.clear()
        self._call.cancel()

    def __iter__(self) -> Stream[D, A]:
        return self

    def __next__(self) -> D:
        while not self._waiting:
            if self._closed:
                raise StopIteration
            try:
                chunk = next(self._call)
            except grpc.RpcError as error:
                self._recover(error)
                continue
            self._has_begun = True
            self._waiting.extend(self._gathering.add(chunk))
        return self._waiting.popleft()

    def __enter__(self) -> Stream[D, A]:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _recover(self, error: grpc.RpcError) -> None:
        """Begin again, if nothing has come yet and it makes sense."""
        if self._closed:
            return
        meant = failure(error, self.request_id)
        delay_s = None if self._has_begun else self._patience.delay_s(meant)
        if delay_s is None:
            self._closed = True
            raise meant from None
        time.sleep(delay_s)
        self._call = self._begin(self._patience.remaining_s())


class AsyncStream(Generic[D, A], AsyncIterator[D]):
    """As :class:`Stream`, for asyncio."""

    def __init__(
        self, begin: Callable[[float | None], Any], gathering: Gathering[Any, D, A], patience: Patience, request_id: str
    ) -> None:
        self.request_id = request_id
        self._begin = begin
        self._gathering = gathering
        self._patience = patience
        self._call = begin(patience.remaining_s())
        self._waiting: deque[D] = deque()
        self._has_begun = False
        self._closed = False

    @property
    def answer(self) -> A:
        """The whole after the end; before it, what has come so far."""
        return self._gathering.answer()

    async def close(self) -> None:
        self._closed = True
        self._waiting.clear()
        self._call.cancel()

    def __aiter__(self) -> AsyncStream[D, A]:
        return self

    async def __anext__(self) -> D:
        while not self._waiting:
            if self._closed:
                raise StopAsyncIteration
            try:
                chunk = await self._call.read()
            except grpc.RpcError as error:
                await self._recover(error)
                continue
            if chunk is grpc.aio.EOF:
                self._closed = True
                continue
            self._has_begun = True
            self._waiting.extend(self._gathering.add(chunk))
        return self._waiting.popleft()

    async def __aenter__(self) -> AsyncStream[D, A]:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _recover(self, error: grpc.RpcError) -> None:
        if self._closed:
            return
        meant = failure(error, self.request_id)
        delay_s = None if self._has_begun else self._patience.delay_s(meant)
        if delay_s is None:
            self._closed = True
            raise meant from None
        await asyncio.sleep(delay_s)
        self._call = self._begin(self._patience.remaining_s())
