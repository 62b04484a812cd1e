"""What a connection sends: small answers at once, large ones frame by frame as the client's windows allow."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from jubako.grpc.transport import frames
from jubako.grpc.transport.call import Call
from jubako.grpc.transport.frames import ProtocolViolation
from jubako.grpc.transport.headers import response
from jubako.tensors import Buffer

SMALL: Final = frames.DEFAULT_FRAME_SIZE
"""Answers up to this size are joined, and leave with their headers in one piece."""

BURST: Final = 256 * 1024
"""Bytes that are given to the socket at once."""

MOST_UNSENT: Final = 8 * 1024 * 1024
"""A client that lets so many bytes of answers to its control frames wait is cut off."""


class Outgoing:
    """The sending side of a connection. All that is written in one turn of the event loop leaves in one write.

    Args:
        closed: Called with each call whose last frame has been written.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, closed: Callable[[Call], None]) -> None:
        self.initial_window = frames.DEFAULT_WINDOW
        self.frame_size = frames.DEFAULT_FRAME_SIZE
        self.ended = False
        self._transport = transport
        self._loop = loop
        self._closed = closed
        self._window = frames.DEFAULT_WINDOW
        self._paused = False
        self._sending: deque[Call] = deque()
        self._pieces: list[Buffer] = []
        self._size = 0
        transport.set_write_buffer_limits(high=BURST)

    # Answers

    def answer(self, call: Call, pieces: Sequence[Buffer]) -> None:
        """The only or last message of a call whose status is set."""
        size = sum(map(len, pieces))
        if call.has_begun or call.outgoing or size > SMALL or size > min(self._window, call.window) or self._paused:
            self.send(call, pieces)
            return
        assert call.status is not None
        self._window -= size
        call.sent_bytes += size
        number = call.number
        headers, trailers = response(call.request_id), call.status.trailers()
        self.write(
            b"".join(
                [
                    frames.head(len(headers), frames.HEADERS, frames.END_HEADERS, number),
                    headers,
                    frames.head(size, frames.DATA, 0, number),
                    *pieces,
                    frames.head(len(trailers), frames.HEADERS, frames.END_HEADERS | frames.END_STREAM, number),
                    trailers,
                ]
            )
        )
        self._closed(call)

    def send(self, call: Call, pieces: Sequence[Buffer]) -> None:
        """A message of a call that may have more, or that is too large to leave at once."""
        if not call.has_begun:
            self._begin(call)
        size = sum(map(len, pieces))
        call.sent_bytes += size
        if size <= SMALL:
            pieces = [b"".join(pieces)]
        call.outgoing.extend(memoryview(piece).cast("B") for piece in pieces if len(piece))
        self._queue(call)
        self._pump()

    def end(self, call: Call) -> None:
        """The call's status is set: send it behind what is still to go."""
        if not call.outgoing:
            self._end(call)

    def forget(self, call: Call) -> None:
        """The call is over; what it has not sent is sent no more."""
        call.outgoing.clear()
        if call.queued:
            call.queued = False
            self._sending.remove(call)

    # Windows

    def set_initial_window(self, size: int, calls: Iterable[Call]) -> None:
        difference = size - self.initial_window
        self.initial_window = size
        for call in calls:
            call.window += difference
            self._queue(call)
        self._pump()

    def widen(self, size: int) -> None:
        self._window += size
        if self._window > frames.MAX_WINDOW:
            raise ProtocolViolation(frames.FLOW_CONTROL_ERROR, "The connection's window is too large.")
        self._pump()

    def widen_stream(self, call: Call, size: int) -> None:
        call.window += size
        if call.window > frames.MAX_WINDOW:
            raise ProtocolViolation(frames.FLOW_CONTROL_ERROR, "A stream's window is too large.")
        self._queue(call)
        self._pump()

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        self._paused = False
        self._pump()

    # Bytes

    def write(self, data: Buffer) -> None:
        """Send `data` at the end of this turn of the event loop."""
        if not self._pieces:
            self._loop.call_soon(self.flush)
        self._pieces.append(data)
        self._size += len(data)

    def flush(self) -> None:
        if not self._pieces or self.ended or self._transport.is_closing():
            return
        pieces, self._pieces = self._pieces, []
        size, self._size = self._size, 0
        if len(pieces) == 1:
            self._transport.write(pieces[0])
        elif size <= BURST // 4:
            self._transport.write(b"".join(pieces))
        else:
            self._transport.writelines(pieces)
        if self._paused and self._transport.get_write_buffer_size() > MOST_UNSENT:
            self._transport.abort()

    def finish(self) -> None:
        """Send what is written, and nothing after it."""
        self.flush()
        self.ended = True
        if self._transport.can_write_eof() and not self._transport.is_closing():
            self._transport.write_eof()

    def _begin(self, call: Call) -> None:
        call.has_begun = True
        self.write(frames.frame(frames.HEADERS, frames.END_HEADERS, call.number, response(call.request_id)))

    def _queue(self, call: Call) -> None:
        if call.outgoing and call.window > 0 and not call.queued:
            call.queued = True
            self._sending.append(call)

    def _pump(self) -> None:
        """A frame of each call in turn, so that none holds up another."""
        while self._sending and self._window > 0 and not self._paused:
            call = self._sending.popleft()
            call.queued = False
            if call.window <= 0:
                continue  # the client has made it smaller since
            self._send_frame(call)
            self._queue(call)
            if self._size >= BURST:
                self.flush()
                if self._transport.get_write_buffer_size() >= BURST:
                    # The socket is full, or uvloop has yet to ask it: it says so, if it is, before the next turn.
                    self._loop.call_soon(self._pump)
                    return

    def _send_frame(self, call: Call) -> None:
        piece = call.outgoing.popleft()
        room = min(self._window, call.window, self.frame_size, BURST)
        if len(piece) > room:
            call.outgoing.appendleft(piece[room:])
            piece = piece[:room]
        self._window -= len(piece)
        call.window -= len(piece)
        self.write(frames.head(len(piece), frames.DATA, 0, call.number))
        self.write(piece)
        if not call.outgoing:
            call.drained()
            if call.status is not None:
                self._end(call)

    def _end(self, call: Call) -> None:
        assert call.status is not None
        trailers = call.status.trailers()
        block = trailers if call.has_begun else response(call.request_id) + trailers
        self.write(frames.frame(frames.HEADERS, frames.END_HEADERS | frames.END_STREAM, call.number, block))
        if not call.ended:
            self.write(frames.reset(call.number, frames.NO_ERROR))  # it need not send the rest
        self._closed(call)
