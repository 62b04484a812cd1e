"""An instance's end of a channel: runs each call as a task, paces streams by credit, and drops what nobody waits for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from typing import Protocol

from jubako.channel.connection import Connection
from jubako.channel.frames import (
    CREDIT_WINDOW,
    AnyFrame,
    Call,
    Cancel,
    Chunk,
    Credit,
    End,
    Failed,
    Load,
    Queued,
    Started,
)
from jubako.errors import InternalError, JubakoError, ModelNotReady
from jubako.messages import GenerateEvent, Request, Result

log = logging.getLogger(__name__)


class CallContext(Protocol):
    """What a backend may know of the call it answers, and tell of it."""

    @property
    def request_id(self) -> str: ...

    def queued(self) -> None:
        """The call has to wait for a place; the engine has not seen it."""

    def started(self) -> None:
        """A call that was queued has its place."""


class Handler(Protocol):
    """Who answers. A cancelled call is cancelled as a task, or its iterator closed: both must free the engine's slot."""

    def stream(self, request: Request, call: CallContext) -> AsyncIterator[GenerateEvent]: ...

    async def answer(self, request: Request, call: CallContext) -> Result: ...


class _ServedCall:
    """One call: its task, and the events that wait for credit."""

    def __init__(self, connection: Connection, frame: Call) -> None:
        self.request_id = frame.request_id
        self.task: asyncio.Task[None]
        self._id = frame.id
        self._connection = connection
        self._credit = CREDIT_WINDOW
        self._events: list[GenerateEvent] = []
        self._flush_scheduled = False

    def queued(self) -> None:
        self._connection.send(Queued(self._id))

    def started(self) -> None:
        self._connection.send(Started(self._id))

    def push(self, event: GenerateEvent) -> None:
        """Send `event`, together with all others that come in this turn of the loop or while credit lacks."""
        self._events.append(event)
        if self._credit and not self._flush_scheduled:
            self._flush_scheduled = True
            asyncio.get_running_loop().call_soon(self._flush)

    def grant(self, chunks: int) -> None:
        self._credit += chunks
        if self._events:
            self._flush()

    def end(self, result: Result | None) -> None:
        # The last events go whether there is credit or not: the stream is over, so there is no more to hold back.
        self._send_events()
        self._connection.send(End(self._id, result))

    def fail(self, error: JubakoError) -> None:
        self._send_events()
        self._connection.send(Failed(self._id, error.to_wire()))

    def _flush(self) -> None:
        self._flush_scheduled = False
        if self._credit and self._events:
            self._credit -= 1
            self._send_events()

    def _send_events(self) -> None:
        if self._events:
            self._connection.send(Chunk(self._id, self._events))
            self._events = []


class ChannelServer:
    """Serves one handler to any number of connections.

    Args:
        handler: Answers the calls.
        load: Says how busy the handler is; sent with every burst of replies.
    """

    def __init__(self, handler: Handler, load: Callable[[], Load]) -> None:
        self._handler = handler
        self._load = load
        self._calls: dict[tuple[Connection, int], _ServedCall] = {}
        self._connections: set[Connection] = set()
        self._draining = False
        self._full = False
        self._idle = asyncio.Event()
        self._idle.set()
        self._all_closed = asyncio.Event()
        self._all_closed.set()

    def connect(self) -> Connection:
        """A protocol for :meth:`asyncio.loop.create_unix_server`."""
        connection = Connection(self, lambda: self._last_word(connection))
        self._connections.add(connection)
        self._all_closed.clear()
        return connection

    @property
    def in_flight(self) -> int:
        return len(self._calls)

    async def drain(self) -> None:
        """Refuse new calls, answer those in flight, close the connections; return when the last answer has left."""
        self._draining = True
        await self._idle.wait()
        for connection in list(self._connections):
            connection.close()
        await self._all_closed.wait()

    # Peer

    def on_frame(self, connection: Connection, frame: AnyFrame) -> None:
        match frame:
            case Call():
                self._start(connection, frame)
            case Credit():
                if (call := self._calls.get((connection, frame.id))) is not None:
                    call.grant(frame.chunks)
            case Cancel():
                if (call := self._calls.get((connection, frame.id))) is not None:
                    call.task.cancel()
            case _:
                log.warning("unexpected frame: %s", type(frame).__name__)

    def on_closed(self, connection: Connection) -> None:
        self._connections.discard(connection)
        if not self._connections:
            self._all_closed.set()
        for (owner, _), call in list(self._calls.items()):
            if owner is connection:
                call.task.cancel()

    def _start(self, connection: Connection, frame: Call) -> None:
        call = _ServedCall(connection, frame)
        if self._draining:
            call.fail(ModelNotReady("This instance is shutting down. Try again in a moment.", retry_after_s=1))
            return
        key = (connection, frame.id)
        self._calls[key] = call
        self._idle.clear()
        call.task = asyncio.get_running_loop().create_task(self._run(call, frame))
        call.task.add_done_callback(lambda task: self._finished(key, task))

    def _finished(self, key: tuple[Connection, int], task: asyncio.Task[None]) -> None:
        del self._calls[key]
        if not self._calls:
            self._idle.set()
        if task.cancelled():
            # No answer will carry the news that a place is free.
            key[0].send(self._load())

    def _last_word(self, speaker: Connection) -> Load:
        """The load, for `speaker`'s burst. The other gateways hear when the last place is taken, or free."""
        load = self._load()
        full = load.running + load.queued >= load.capacity
        if full != self._full:
            self._full = full
            for connection in self._connections:
                if connection is not speaker:
                    connection.send(load)
        return load

    async def _run(self, call: _ServedCall, frame: Call) -> None:
        try:
            if frame.stream:
                await self._run_stream(call, frame.request)
            else:
                call.end(await self._handler.answer(frame.request, call))
        except JubakoError as error:
            call.fail(error)
        except asyncio.CancelledError:
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise
            # Nobody cancelled this call: something that the backend awaited was, and the caller still waits.
            self._fail_unexpectedly(call, frame)
        except Exception:
            self._fail_unexpectedly(call, frame)

    def _fail_unexpectedly(self, call: _ServedCall, frame: Call) -> None:
        log.exception("request %s failed", frame.request_id)
        call.fail(InternalError(f"The model failed on this request; the server's log says why (request {frame.request_id})."))

    async def _run_stream(self, call: _ServedCall, request: Request) -> None:
        events = self._handler.stream(request, call)
        try:
            async for event in events:
                call.push(event)
        finally:
            # Closed here and now: a generator left to the collector would hold the engine's slot until then.
            if (aclose := getattr(events, "aclose", None)) is not None:
                await aclose()
        call.end(None)
