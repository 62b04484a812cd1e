"""An instance's end of a channel: runs each call as a task, paces streams by credit, and drops what nobody waits for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from math import inf
from typing import Final, Protocol, TypeAlias

from jubako.channel import frames
from jubako.channel.connection import Connection
from jubako.channel.frames import (
    CREDIT_WINDOW,
    AnyFrame,
    Call,
    Chunk,
    Credit,
    End,
    Failed,
    Load,
    Queued,
    Started,
)
from jubako.errors import InstanceLost, InternalError, JubakoError
from jubako.messages import Caller, InferRequest, InferResult, Request, Result, StreamEvent

log = logging.getLogger(__name__)

LINGER_S = 10.0
"""How long a draining instance without calls waits for its connections to be closed. A gateway on a busy machine may be held up
for seconds; until then it can't know whom to ask instead, and what it asked meanwhile would be lost."""

CURRENT_CALLER: Final[ContextVar[Caller]] = ContextVar("CURRENT_CALLER")
"""On whose behalf a task works, where it answers a call: what it asks of other models is asked in the same name."""

Done: TypeAlias = Callable[[InferResult | Exception], None]
"""Takes the answer to a request, once, in the event loop's thread."""

Cancel: TypeAlias = Callable[[], None]
"""Takes a request back; harmless once it is answered."""


class CallContext(Protocol):
    """What a backend may know of the call it answers, and tell of it."""

    @property
    def caller(self) -> Caller: ...

    @property
    def stream(self) -> bool:
        """Whether the caller takes the answer event by event; otherwise it gets the sum of them all, at the end."""

    def queued(self) -> None:
        """The call has to wait for a place; the engine has not seen it."""

    def started(self) -> None:
        """A call that was queued has its place."""


class Handler(Protocol):
    """Who answers. A cancelled call is cancelled as a task, or its iterator closed: both must free the engine's slot."""

    def submit(self, request: InferRequest, done: Done, caller: Caller) -> Cancel | None:
        """Take a tensor request without a task for it; `done` is called once, with its answer or its error.

        Returns what takes the request back (then `done` is not called); None where :meth:`answer` is to be asked instead.

        Raises:
            JubakoError: the request is refused.
        """

    def stream(self, request: Request, call: CallContext) -> AsyncIterator[StreamEvent]: ...

    async def answer(self, request: Request, call: CallContext) -> Result: ...


class _ServedCall:
    """One call: what cancels it, and the events that wait for credit."""

    __slots__ = ("_credit", "_events", "_flush_scheduled", "_id", "caller", "cancel", "connection", "key", "stream")

    def __init__(self, connection: Connection, frame: Call) -> None:
        deadline = inf if frame.timeout_s is None else asyncio.get_running_loop().time() + frame.timeout_s
        self.caller = Caller(frame.request_id, deadline, frame.trace)
        self.stream = frame.stream
        self.connection = connection
        self.key = (connection, frame.id)
        self.cancel: Callable[[], object]
        self._id = frame.id
        self._credit = CREDIT_WINDOW
        self._events: list[StreamEvent] = []
        self._flush_scheduled = False

    def queued(self) -> None:
        self.connection.send(Queued(self._id))

    def started(self) -> None:
        self.connection.send(Started(self._id))

    def push(self, event: StreamEvent) -> None:
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
        self.connection.send(End(self._id, result))

    def fail(self, error: JubakoError) -> None:
        self._send_events()
        self.connection.send(Failed(self._id, error.to_wire()))

    def _flush(self) -> None:
        self._flush_scheduled = False
        if self._credit and self._events:
            self._credit -= 1
            self._send_events()

    def _send_events(self) -> None:
        if self._events:
            self.connection.send(Chunk(self._id, self._events))
            self._events = []


def _nothing() -> None:
    pass


@asynccontextmanager
async def closing(iterator: object) -> AsyncIterator[None]:
    """Close `iterator` at the end of the block if it can be closed: left to the collector it would hold the engine till then."""
    try:
        yield
    finally:
        if (aclose := getattr(iterator, "aclose", None)) is not None:
            await aclose()


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
        """Refuse new calls, answer those in flight; return when the last answer has left and the connections are closed.

        The other side closes a connection once it knows whom to ask instead: were it closed here, a call on its way would be
        lost. Who has not done so within `LINGER_S` is not waited for.
        """
        self._draining = True
        await self._idle.wait()
        try:
            async with asyncio.timeout(LINGER_S):
                await self._all_closed.wait()
        except TimeoutError:
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
            case frames.Cancel():
                if (call := self._calls.get((connection, frame.id))) is not None:
                    call.cancel()
            case _:
                log.warning("unexpected frame: %s", type(frame).__name__)

    def on_closed(self, connection: Connection) -> None:
        self._connections.discard(connection)
        if not self._connections:
            self._all_closed.set()
        for (owner, _), call in list(self._calls.items()):
            if owner is connection:
                call.cancel()

    def _start(self, connection: Connection, frame: Call) -> None:
        call = _ServedCall(connection, frame)
        if self._draining:
            # As one that had only waited: safe to ask the instance that comes in this one's place.
            call.queued()
            call.fail(InstanceLost("This instance is shutting down. Try again in a moment.", retry_after_s=1))
            return
        self._calls[connection, frame.id] = call
        self._idle.clear()
        if not frame.stream and isinstance(frame.request, InferRequest) and self._submit(call, frame.request):
            return
        task = asyncio.get_running_loop().create_task(self._run(call, frame))
        call.cancel = task.cancel
        task.add_done_callback(lambda task: self._finished(call, unanswered=task.cancelled()))

    def _submit(self, call: _ServedCall, request: InferRequest) -> bool:
        """Whether the handler took the call the short way, or refused it."""

        def done(outcome: InferResult | Exception) -> None:
            if isinstance(outcome, InferResult):
                call.end(outcome)
            elif isinstance(outcome, JubakoError):
                call.fail(outcome)
            else:
                self._fail_unexpectedly(call, outcome)
            self._finished(call)

        try:
            cancel = self._handler.submit(request, done, call.caller)
        except Exception as error:
            done(error)
            return True
        if cancel is None:
            return False

        def give_up() -> None:
            cancel()
            self._finished(call, unanswered=True)

        call.cancel = give_up
        return True

    def _finished(self, call: _ServedCall, *, unanswered: bool = False) -> None:
        if self._calls.pop(call.key, None) is None:
            return
        # What cancels a call knows the call: left so, only the collector would free it, and the tensors with it.
        call.cancel = _nothing
        if not self._calls:
            self._idle.set()
        if unanswered:
            # No answer will carry the news that a place is free.
            call.connection.send(self._load())

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
        CURRENT_CALLER.set(call.caller)
        try:
            if frame.stream:
                await self._run_stream(call, frame.request)
            else:
                call.end(await self._handler.answer(frame.request, call))
        except JubakoError as error:
            call.fail(error)
        except asyncio.CancelledError as error:
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise
            # Nobody cancelled this call: something that the backend awaited was, and the caller still waits.
            self._fail_unexpectedly(call, error)
        except Exception as error:
            self._fail_unexpectedly(call, error)

    def _fail_unexpectedly(self, call: _ServedCall, error: BaseException) -> None:
        request_id, trace = call.caller.request_id, call.caller.trace
        log.error("request %s failed%s", request_id, f" (trace {trace.trace_id})" if trace else "", exc_info=error)
        call.fail(InternalError(f"The model failed on this request; the server's log says why (request {request_id})."))

    async def _run_stream(self, call: _ServedCall, request: Request) -> None:
        events = self._handler.stream(request, call)
        async with closing(events):
            async for event in events:
                call.push(event)
        call.end(None)
