"""One call: what its handler sees, between the messages that come and those that go."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Final

from jubako.access.key import Key
from jubako.access.scope import Access
from jubako.access.validity import ALWAYS
from jubako.errors import DeadlineExceeded, InternalError, InvalidRequest, JubakoError
from jubako.grpc.transport.assembly import PREFIX, Assembly
from jubako.grpc.transport.headers import Headers
from jubako.grpc.transport.status import OK, Status
from jubako.messages import Caller
from jubako.tensors import Buffer
from jubako.trace_context import TraceContext

if TYPE_CHECKING:
    from jubako.grpc.transport.connection import Connection

log = logging.getLogger(__name__)

WINDOW: Final = 1024 * 1024
"""Bytes of one stream that may be on their way to us, or wait for the handler."""

OPEN_MESSAGE_BYTES: Final = 64 * 1024
"""Largest message of a method that asks nobody for a key, of which none needs a large one."""

MESSAGE_COST: Final = 64
"""Bytes that a message which waits for its handler takes beside its own, at least."""

LEAVING: Final = Status("UNAVAILABLE", "The server is shutting down. Open another stream.")

_TIMEOUT: Final = re.compile(r"(\d{1,8})([HMSmun])")
_UNIT_S: Final = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}

Unary = Callable[[Buffer, "Call"], Awaitable[Sequence[Buffer]]]
"""From the request's message to the answer's, in pieces that are sent one after the other; large ones are never joined."""

Streaming = Callable[["Call"], Awaitable[None]]
"""Reads :meth:`Call.messages` and answers with :meth:`Call.send`; the call ends when it returns."""


@dataclass(frozen=True)
class Method:
    """What answers a path: one of the two.

    Attributes:
        path: Such as ``/inference.GRPCInferenceService/ModelInfer``.
        access: Who may ask it.
        probe: Asked by what watches the server, so often that it is not worth a line in the log.
    """

    path: str
    access: Access
    unary: Unary | None = None
    streaming: Streaming | None = None
    probe: bool = False


class Call:
    """One call of one client.

    Attributes:
        request_id: Names it in logs and in the instance: the client's ``x-request-id``, or a fresh one. It is sent back.
        trace: The trace that its ``traceparent`` names, if it names one.
        asked: The name of the model that the client asked for, for the details of errors.
        model: What the handler says it is about, for the log.
        key: The caller's; None where nobody is asked for one.
        validity: Around the work of a stream: ends it when the key does not count any more.
        sent_bytes: Bytes of messages sent.
        error: What kind of error ended it, for the log.
    """

    def __init__(
        self, connection: Connection, number: int, *, method: Method, headers: Headers, request_id: str, window: int
    ) -> None:
        self.number = number
        self.method = method
        self.headers = headers
        self.request_id = request_id
        parent = headers.get("traceparent")
        self.trace = TraceContext.of(parent, headers.get("tracestate", "")) if parent is not None else None
        self.started = time.perf_counter()
        self.asked = ""
        self.model = ""
        self.key: Key | None = None
        self.validity = ALWAYS
        self.error = ""
        self.sent_bytes = 0
        # What goes
        self.window = window
        self.outgoing: deque[memoryview] = deque()
        self.status: Status | None = None
        self.queued = False
        self.has_begun = False
        # What comes
        self.ended = False
        self._connection = connection
        most = min(connection.max_message_bytes, OPEN_MESSAGE_BYTES) if method.access.is_open else connection.max_message_bytes
        self._assembly = Assembly(headers.get("grpc-encoding", "identity"), most)
        self._messages: deque[Buffer] = deque()
        self._unread = 0
        self._allowed = WINDOW
        self._loop = connection.loop
        self._task: asyncio.Task[None] | None = None
        self._wakers: list[asyncio.Future[None]] = []
        self._deadline: asyncio.TimerHandle | None = None
        self._dismissed: Status | None = None

    # For handlers

    @property
    def caller(self) -> Caller:
        """Who asks, for the data plane. When its deadline passes the call is ended, whatever its handler does."""
        deadline = self._deadline.when() if self._deadline is not None else inf
        return Caller(self.request_id, deadline, self.trace)

    async def messages(self) -> AsyncIterator[Buffer]:
        """The requests of a stream, until the client has sent its last or the server takes no more of them."""
        while (message := await self._next()) is not None:
            yield message

    async def message(self) -> Buffer:
        """The request of a stream that takes one.

        Raises:
            InvalidRequest: there is none.
            Status: it had not come when the server stopped taking any.
        """
        if (message := await self._next()) is not None:
            return message
        if (end := self._dismissed) is not None:
            raise Status(end.code, end.message, end.details)
        raise InvalidRequest("The method takes one message; none came.")

    async def send(self, pieces: Sequence[Buffer]) -> None:
        """Send one answer of a stream. Returns once it is on its way, which a slow reader delays."""
        self._connection.send(self, _framed(pieces))
        while self.outgoing and self.status is None:
            await self._changed()

    async def dismissal(self) -> None:
        """Returns when the server takes no more of the stream's requests, because it is leaving."""
        while self._dismissed is None:
            await self._changed()

    # For the connection

    def begin(self) -> None:
        """The headers have come."""
        if (timeout := self.headers.get("grpc-timeout")) is not None:
            self._set_deadline(timeout)
        if self.method.streaming is not None:
            self._task = self._loop.create_task(self._stream(self.method.streaming))

    def receive(self, data: memoryview, ended: bool, charge: int) -> None:
        """A part of the request has come, perhaps its last. It has taken `charge` bytes of the stream's window, padding included.

        Raises:
            Status: it can't be taken.
        """
        self._allowed -= charge
        if self._allowed < 0:
            raise Status("INTERNAL", "The client sent more than the stream's window.")
        self.ended = ended
        messages = self._assembly.feed(data) if len(data) else []
        if ended and not self._assembly.whole:
            raise Status("INTERNAL", "The request ends in the middle of a message.")
        self._messages.extend(messages)
        if self.method.unary is not None:
            if ended or len(self._messages) > 1:
                self._start(self.method.unary)
        elif messages or ended:
            self._unread += sum(map(len, messages)) + MESSAGE_COST * len(messages)
            self._wake()
        self._allow_more()

    def dismiss(self, status: Status) -> None:
        """A stream finishes what it has, takes no more, and ends with `status`."""
        self._dismissed = status
        self._wake()

    def drained(self) -> None:
        self._wake()

    def abandon(self) -> None:
        """The client is gone: end the work, and tell nobody."""
        if self.status is None:
            self.status = Status("CANCELLED")
            self.error = "client_gone"
        self._release()

    def finish(self, status: Status, pieces: Sequence[Buffer] | None = None) -> None:
        """End the call, with `pieces` as its last message; nothing where it has ended already."""
        if self.status is not None:
            return
        self.status = status
        if self._deadline is not None:
            self._deadline.cancel()
        if pieces is not None:
            self._connection.answer(self, _framed(pieces))
        else:
            self._connection.end(self)

    def cancel(self, status: Status) -> None:
        """End the call and the work for it."""
        self.finish(status)
        self._release()

    # How

    def _start(self, unary: Unary) -> None:
        if len(self._messages) != 1:
            raise Status("INTERNAL", f"The method takes one message; {len(self._messages)} came.")
        self._task = self._loop.create_task(self._answer(unary, self._messages.popleft()))

    async def _answer(self, unary: Unary, message: Buffer) -> None:
        try:
            self.finish(OK, await unary(message, self))
        except asyncio.CancelledError:
            self.finish(Status("CANCELLED", "The server gave up this call."))
            raise
        except Exception as error:
            self.finish(self._explained(error))

    async def _stream(self, streaming: Streaming) -> None:
        try:
            with self.validity:
                await streaming(self)
            self.finish(self._dismissed or OK)
        except asyncio.CancelledError:
            self.finish(Status("CANCELLED", "The server gave up this call."))
            raise
        except Exception as error:
            self.finish(self._explained(error))

    def _explained(self, error: Exception) -> Status:
        self.error = type(error).__name__
        if isinstance(error, Status):
            return Status(error.code, error.message, error.details)  # without the frames that raised it, which hold this call
        if isinstance(error, JubakoError):
            return Status.of(error, self.asked)
        log.error("Request %s failed: %s", self.request_id, self.method.path, exc_info=error)
        sentence = f"The server failed on this request. Its log says why, under request id {self.request_id}."
        return Status.of(InternalError(sentence))

    def _set_deadline(self, timeout: str) -> None:
        if (match := _TIMEOUT.fullmatch(timeout)) is None:
            raise Status("INTERNAL", f"The header grpc-timeout is {timeout!r}; it must be a number and one of H, M, S, m, u, n.")
        self._deadline = self._loop.call_later(int(match[1]) * _UNIT_S[match[2]], self._expire)

    def _expire(self) -> None:
        self.error = "DeadlineExceeded"
        self.cancel(Status.of(DeadlineExceeded("The deadline that the client set has passed.")))

    def _allow_more(self) -> None:
        # Whole messages that nobody has read yet count; one that is still coming is bounded by its largest size.
        used = WINDOW - self._allowed
        if not self.ended and used >= WINDOW // 2 and self._unread < WINDOW // 2:
            self._allowed = WINDOW
            self._connection.allow(self, used)

    async def _next(self) -> Buffer | None:
        while not self._messages:
            if self.ended or self._dismissed is not None:
                return None
            await self._changed()
        message = self._messages.popleft()
        self._unread -= len(message) + MESSAGE_COST
        self._allow_more()
        return message

    async def _changed(self) -> None:
        waker = self._loop.create_future()
        self._wakers.append(waker)
        await waker

    def _wake(self) -> None:
        for waker in self._wakers:
            if not waker.done():
                waker.set_result(None)
        self._wakers.clear()

    def _release(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        if self._task is not None:
            self._task.cancel()


def _framed(pieces: Sequence[Buffer]) -> list[Buffer]:
    return [PREFIX.pack(0, sum(map(len, pieces))), *pieces]
