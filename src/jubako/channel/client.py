"""The gateway's end of a channel: ask, await or stream the answer, cancel."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from math import inf
from types import TracebackType
from typing import Self

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
from jubako.errors import InstanceLost, JubakoError
from jubako.messages import Caller, Request, Result, StreamEvent


class PendingCall:
    """One call under way. Use it as a context manager: leaving early, for whatever reason, cancels it in the instance.

    `untouched` is true while the call only waits in the instance's queue, so that running it elsewhere is safe.
    """

    __slots__ = (
        "_channel",
        "_ended",
        "_error",
        "_events",
        "_id",
        "_result",
        "_unacknowledged",
        "_wake",
        "deadline",
        "untouched",
    )

    def __init__(self, channel: ChannelClient, call_id: int, deadline: float) -> None:
        self.untouched = False
        self._channel = channel
        self._id = call_id
        self._events: list[StreamEvent] = []
        self._unacknowledged = 0
        self._result: Result | None = None
        self._error: Exception | None = None
        self._ended = False
        self._wake: asyncio.Future[None] | None = None
        self.deadline = deadline

    def __enter__(self) -> Self:
        return self

    def __exit__(self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None) -> None:
        self._channel._cancel(self._id)

    async def result(self) -> Result:
        """The answer to a call that was not streamed.

        Raises:
            JubakoError: what the instance says, or InstanceLost.
            TimeoutError: the deadline passed.
        """
        while not self._ended:
            await self._something()
        if self._error is not None:
            raise self._error
        assert self._result is not None, "an answer without a result"
        return self._result

    async def batches(self) -> AsyncIterator[list[StreamEvent]]:
        """The events of a streamed call, each time all that have arrived since the last. Raises as :meth:`result` does."""
        while True:
            if self._events:
                events, self._events = self._events, []
                if self._unacknowledged >= CREDIT_WINDOW // 2 and not self._ended:
                    self._channel._send(Credit(self._id, self._unacknowledged))
                    self._unacknowledged = 0
                yield events
            elif self._ended:
                if self._error is not None:
                    raise self._error
                return
            else:
                await self._something()

    async def _something(self) -> None:
        self._wake = self._channel._loop.create_future()
        try:
            await self._wake
        finally:
            self._wake = None

    def _take(self, frame: Chunk | End | Failed | Queued | Started) -> None:
        if isinstance(frame, End):
            self._result = frame.result
            self._end()
        elif isinstance(frame, Chunk):
            self._events += frame.events
            self._unacknowledged += 1
        elif isinstance(frame, Failed):
            self._end(JubakoError.from_wire(frame.error))
        else:
            self.untouched = isinstance(frame, Queued)
            return
        self._notify()

    def _end(self, error: JubakoError | None = None) -> None:
        self._ended = True
        self._error = error
        self._channel._forget(self._id)

    def _lose(self, error: Exception) -> None:
        if not self._ended:
            self._ended = True
            self._error = error
            self._notify()

    def _notify(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)


class ChannelClient:
    """A connection to one instance.

    `load` is the instance's own latest word; `outstanding` counts this client's unanswered calls.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.load = Load(running=0, queued=0, capacity=1, progress=0)
        self._connection: Connection | None = None
        self._calls: dict[int, PendingCall] = {}
        self._next_id = 0
        self._retired = False
        self._closed = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        # One timer for all calls: it costs more to set than most calls take.
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = inf

    async def connect(self, path: str) -> None:
        """Connect to the Unix socket at `path`.

        Raises:
            OSError: nobody listens there.
        """
        _, self._connection = await self._loop.create_unix_connection(lambda: Connection(self), path)

    @property
    def connected(self) -> bool:
        """Whether it can be asked."""
        return self._connection is not None and not self._connection.closed and not self._retired

    def time(self) -> float:
        """Now, on the clock of deadlines."""
        return self._loop.time()

    @property
    def outstanding(self) -> int:
        return len(self._calls)

    def call(self, request: Request, *, stream: bool, caller: Caller, deadline: float = inf) -> PendingCall:
        """Ask. The answer is the returned call's, until `deadline`, a time of the event loop.

        Args:
            caller: Its own deadline goes with the call, so that the instance can arrange for it.

        Raises:
            InstanceLost: the connection is gone.
        """
        if not self.connected:
            raise InstanceLost(f"Instance {self.name} is gone. Try again in a moment.", retry_after_s=1)
        self._next_id += 1
        # Sent first: a request that can't be encoded must leave nothing behind.
        timeout_s = max(caller.deadline - self._loop.time(), 0.0) if caller.deadline < inf else None
        self._send(Call(self._next_id, request, stream, caller.request_id, timeout_s, caller.trace))
        pending = self._calls[self._next_id] = PendingCall(self, self._next_id, deadline)
        if deadline < self._timer_at:
            self._expect_deadline(deadline)
        return pending

    async def wait_closed(self) -> None:
        await self._closed.wait()

    def retire(self) -> None:
        """Take no new call, and close the connection as soon as none is open."""
        self._retired = True
        self._close_if_idle()

    def close(self, error: JubakoError | None = None) -> None:
        """Close the connection. Calls that are still open fail with `error`, or as lost."""
        self._lose_calls(error or self._lost())
        if self._connection is not None:
            self._connection.close()

    def _lost(self) -> InstanceLost:
        return InstanceLost(f"Instance {self.name} died while it was answering. Try again in a moment.", retry_after_s=1)

    def _lose_calls(self, error: JubakoError) -> None:
        calls, self._calls = self._calls, {}
        for pending in calls.values():
            pending._lose(error)

    def _send(self, frame: AnyFrame) -> None:
        assert self._connection is not None
        self._connection.send(frame)

    def _expect_deadline(self, deadline: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = deadline
        self._timer = self._loop.call_at(deadline, self._lose_late_calls)

    def _lose_late_calls(self) -> None:
        self._timer, self._timer_at = None, inf
        now = self._loop.time()
        for call_id, pending in list(self._calls.items()):
            if pending.deadline <= now:
                self._cancel(call_id)
                pending._lose(TimeoutError())
        if (earliest := min((pending.deadline for pending in self._calls.values()), default=inf)) < inf:
            self._expect_deadline(earliest)

    def _forget(self, call_id: int) -> None:
        self._calls.pop(call_id, None)
        self._close_if_idle()

    def _cancel(self, call_id: int) -> None:
        """Have the instance stop, unless the call is over."""
        if self._calls.pop(call_id, None) is not None:
            self._send(Cancel(call_id))
            self._close_if_idle()

    def _close_if_idle(self) -> None:
        if self._retired and not self._calls and self._connection is not None:
            self._connection.close()

    # Peer

    def on_frame(self, connection: Connection, frame: AnyFrame) -> None:
        if isinstance(frame, Load):
            self.load = frame
        # A call that was cancelled here may still be answered by frames that were on their way.
        elif isinstance(frame, End | Chunk | Failed | Queued | Started) and (call := self._calls.get(frame.id)) is not None:
            call._take(frame)

    def on_closed(self, connection: Connection) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._lose_calls(self._lost())
        self._closed.set()
