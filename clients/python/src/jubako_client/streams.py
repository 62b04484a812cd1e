# Made by clients/python/without_async.py from async_streams.py. Change that instead.

"""Answers that come piece by piece."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Generic, Protocol, TypeVar

import grpc

from jubako_client._failure import failure
from jubako_client._gathering import Chunk
from jubako_client._pause import Pause
from jubako_client._retry import Patience

__all__ = ["Stream"]

D = TypeVar("D")
A = TypeVar("A")
T_co = TypeVar("T_co", covariant=True)


class _Chunks(Protocol[T_co]):
    """What a streamed call of gRPC is to us."""

    def __iter__(self) -> Iterator[T_co]: ...

    def cancel(self) -> bool: ...


class Stream(Generic[D, A], Iterator[D]):
    """The deltas of an answer. Leaving its ``with`` block, or :meth:`close`, cancels what has not come.

    ::

        with client.chat("smollm2", "Count to five.", stream=True) as stream:
            for delta in stream:
                print(delta.text, end="", flush=True)
        print(stream.answer.usage)

    Reading it raises the same errors as a whole answer. Once a piece has come, none of them leads to another attempt.
    """

    def __init__(
        self,
        begin: Callable[[float | None], _Chunks[Chunk[D]]],
        whole: Callable[[Sequence[Chunk[D]]], A],
        patience: Patience,
        request_id: str,
    ) -> None:
        self.request_id = request_id
        self._begin = begin
        self._whole = whole
        self._patience = patience
        self._call = begin(patience.remaining_s())
        self._coming = iter(self._call)
        self._chunks: list[Chunk[D]] = []
        self._waiting: deque[D] = deque()
        self._closed = False
        self._pause = Pause()

    @property
    def answer(self) -> A:
        """The whole after the end; before it, what has come so far."""
        return self._whole(self._chunks)

    def close(self) -> None:
        """Take no more: the server ends its work on the answer."""
        self._closed = True
        self._waiting.clear()
        self._pause.end()
        self._call.cancel()

    def __iter__(self) -> Stream[D, A]:
        return self

    def __next__(self) -> D:
        while not self._waiting:
            if self._closed:
                raise StopIteration
            try:
                chunk = next(self._coming)
            except StopIteration:
                self._closed = True
            except grpc.RpcError as error:
                self._recover(error)
            else:
                self._chunks.append(chunk)
                self._waiting.extend(chunk.deltas)
        return self._waiting.popleft()

    def __enter__(self) -> Stream[D, A]:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        # One that is left in the middle and forgotten, as by a break out of its loop.
        if not getattr(self, "_closed", True):
            with suppress(RuntimeError):  # what it ran on has ended, and so has it
                self._call.cancel()

    def _recover(self, error: grpc.RpcError) -> None:
        """Begin again, if nothing has come yet and it makes sense."""
        if self._closed:
            return
        meant = failure(error, self.request_id)
        delay_s = None if self._chunks else self._patience.delay_s(meant)
        if delay_s is None:
            self._closed = True
            raise meant from None
        self._pause.wait(delay_s)
        if self._closed:
            return
        self._call = self._begin(self._patience.remaining_s())
        self._coming = iter(self._call)
