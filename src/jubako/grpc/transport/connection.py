"""One client's connection: frames in, calls, frames out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, cast

from jubako.access.guard import require
from jubako.access.scope import ANY_KEY
from jubako.errors import JubakoError
from jubako.grpc.transport import frames
from jubako.grpc.transport.assembly import ENCODINGS
from jubako.grpc.transport.call import LEAVING, WINDOW, Call, Method
from jubako.grpc.transport.frames import HEAD, U32, ProtocolViolation
from jubako.grpc.transport.headers import MAX_HEADERS, MOST_HEADERS, STATUS_415, HeaderReader, Headers, response
from jubako.grpc.transport.outgoing import Outgoing
from jubako.grpc.transport.status import Status
from jubako.identifiers import accepted
from jubako.tensors import Buffer

if TYPE_CHECKING:
    from jubako.grpc.transport.server import Server

FRAME_SIZE: Final = 64 * 1024
"""Largest frame that we take."""

CONNECTION_WINDOW: Final = 2**30
"""Bytes that may be on their way to us on one connection. Its streams have windows of their own, which are what bounds memory."""

RESETS: Final = 1000
"""Calls that a client may begin and reset on one connection, beyond as many as it let be answered. A flood of them is an attack
(CVE-2023-44487), which a limit on the calls at the same time does not see."""

LINGER_S: Final = 10.0
"""Seconds for which a client may go on sending after our last word, before the connection is closed. One that is far away, or on
a busy machine, takes that long to come to it."""

DRAINING: Final = b"draining"

TOO_MANY_HEADERS: Final = Status(
    "RESOURCE_EXHAUSTED", f"Metadata may be up to {MAX_HEADERS} bytes. Send less with a call."
).trailers()

FrameHandler = Callable[[int, int, bytes], None]


class Connection(asyncio.Protocol):
    """Reads frames, starts calls, and gives their answers to :class:`Outgoing`.

    Everything runs on the event loop; a violation of HTTP/2 ends the connection, a violation of gRPC the call.
    """

    def __init__(self, server: Server) -> None:
        self.loop = asyncio.get_running_loop()
        self.max_message_bytes = server.limits.max_message_bytes
        self._server = server
        self._calls: dict[int, Call] = {}
        self._headers = HeaderReader()
        self._rest = b""
        self._greeted = False
        self._last = 0
        self._unfinished: tuple[int, int, bytearray] | None = None
        self._received = 0
        self._closed = 0
        self._resets = 0
        self._initial_window = frames.DEFAULT_WINDOW
        self._frame_size = frames.DEFAULT_FRAME_SIZE
        self._unconfirmed = 0
        self._draining = False
        self._refusing = False
        self._active = False
        self._pinged = False
        self._timer: asyncio.TimerHandle
        self._handlers: dict[int, FrameHandler] = {
            frames.HEADERS: self._on_headers,
            frames.CONTINUATION: self._on_continuation,
            frames.RST_STREAM: self._on_reset,
            frames.SETTINGS: self._on_settings,
            frames.PING: self._on_ping,
            frames.WINDOW_UPDATE: self._on_window_update,
            frames.PUSH_PROMISE: self._on_push_promise,
        }

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._out = Outgoing(self._transport, self.loop, self._close)
        self._out.write(
            frames.settings(
                {
                    frames.MAX_CONCURRENT_STREAMS: self._server.limits.max_concurrent_streams,
                    frames.INITIAL_WINDOW_SIZE: WINDOW,
                    frames.MAX_FRAME_SIZE: FRAME_SIZE,
                    frames.MAX_HEADER_LIST_SIZE: MAX_HEADERS,
                }
            )
            + frames.window_update(0, CONNECTION_WINDOW - frames.DEFAULT_WINDOW)
        )
        self._timer = self.loop.call_later(self._server.limits.keepalive_s, self._look)
        self._server.joined(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._timer.cancel()
        self._abandon_calls()
        self._server.left(self)

    def pause_writing(self) -> None:
        self._out.pause()

    def resume_writing(self) -> None:
        self._out.resume()

    def eof_received(self) -> None:
        return None  # closes the transport, which abandons the calls

    def data_received(self, data: bytes) -> None:
        if self._out.ended:
            return
        self._active = True
        if self._rest:
            data = self._rest + data
        try:
            read = self._read(data)
        except ProtocolViolation as violation:
            self._rest = b""
            self._out.write(frames.goaway(self._last, violation.code, str(violation)))
            self._hang_up()
        else:
            self._rest = data[read:]

    # For the server

    def drain(self) -> None:
        """Finish the calls that have come, take no others, then close."""
        self._draining = True
        # The client may have sent more calls before it reads this. The ping comes back behind them, and then the last is known.
        self._out.write(frames.goaway(frames.LAST_STREAM, frames.NO_ERROR))
        self._ping(DRAINING)
        for call in list(self._calls.values()):
            call.dismiss(LEAVING)

    def stop(self, status: Status) -> None:
        """End every call with `status`, and close."""
        for call in list(self._calls.values()):
            call.cancel(status)
        self._out.flush()
        self._transport.close()

    # For calls

    def answer(self, call: Call, pieces: Sequence[Buffer]) -> None:
        """Send the only or last message of a call, and its status."""
        self._out.answer(call, pieces)

    def send(self, call: Call, pieces: Sequence[Buffer]) -> None:
        self._out.send(call, pieces)

    def end(self, call: Call) -> None:
        self._out.end(call)

    def allow(self, call: Call, size: int) -> None:
        """Let the client send `size` more bytes of the call."""
        self._out.write(frames.window_update(call.number, size))

    # Frames

    def _read(self, data: bytes) -> int:
        """Handle the whole frames in `data`; returns how many bytes they are."""
        position = 0
        if not self._greeted:
            if not frames.PREFACE.startswith(data[: len(frames.PREFACE)]):
                how = "over" if self._transport.get_extra_info("ssl_object") is not None else "without"
                raise ProtocolViolation(frames.PROTOCOL_ERROR, f"This port speaks gRPC, which is HTTP/2, {how} TLS.")
            if len(data) < len(frames.PREFACE):
                return 0
            self._greeted = True
            position = len(frames.PREFACE)
        view = memoryview(data)
        while len(data) - position >= HEAD.size:
            high, low, kind, flags, number = HEAD.unpack_from(data, position)
            length = high << 8 | low
            if length > FRAME_SIZE:
                raise ProtocolViolation(frames.FRAME_SIZE_ERROR, f"A frame has {length} bytes; at most {FRAME_SIZE} are taken.")
            start = position + HEAD.size
            end = start + length
            if end > len(data):
                break
            if self._unfinished is not None and kind != frames.CONTINUATION:
                raise ProtocolViolation(frames.PROTOCOL_ERROR, "A header block is interrupted.")
            if kind == frames.DATA:
                self._on_data(number & frames.LAST_STREAM, flags, view[start:end])
            elif (handler := self._handlers.get(kind)) is not None:
                handler(number & frames.LAST_STREAM, flags, data[start:end])
            position = end
        return position

    def _on_data(self, number: int, flags: int, payload: memoryview) -> None:
        if number == 0 or number > self._last:
            raise ProtocolViolation(frames.PROTOCOL_ERROR, "Data came for a stream that was not opened.")
        self._received += len(payload)
        if self._received >= CONNECTION_WINDOW // 2:
            self._out.write(frames.window_update(0, self._received))
            self._received = 0
        charge = len(payload)
        if flags & frames.PADDED:
            payload = _unpadded(payload)
        # Data of a call that is over was on its way when it ended.
        if (call := self._calls.get(number)) is not None and call.status is None:
            self._feed(call, payload, bool(flags & frames.END_STREAM), charge)

    def _feed(self, call: Call, payload: memoryview, ended: bool, charge: int) -> None:
        if call.ended:
            raise ProtocolViolation(frames.STREAM_CLOSED, "Data came after the end of its stream.")
        try:
            call.receive(payload, ended, charge)
        except Status as status:
            call.cancel(status)

    def _on_headers(self, number: int, flags: int, payload: bytes) -> None:
        if flags & frames.PADDED:
            payload = bytes(_unpadded(memoryview(payload)))
        if flags & frames.WITH_PRIORITY:
            payload = payload[5:]
        if flags & frames.END_HEADERS:
            self._open(number, flags, payload)
        else:
            self._unfinished = (number, flags, bytearray(payload))

    def _on_continuation(self, number: int, flags: int, payload: bytes) -> None:
        if self._unfinished is None or self._unfinished[0] != number:
            raise ProtocolViolation(frames.PROTOCOL_ERROR, "A header block continues that had not begun.")
        _, first_flags, block = self._unfinished
        block += payload
        if len(block) > MOST_HEADERS or not payload:
            raise ProtocolViolation(frames.ENHANCE_YOUR_CALM, "A header block is too long.")
        if flags & frames.END_HEADERS:
            self._unfinished = None
            self._open(number, first_flags, bytes(block))

    def _open(self, number: int, flags: int, block: bytes) -> None:
        # Always read: blocks refer to those before.
        headers = self._headers.read(block)
        ended = bool(flags & frames.END_STREAM)
        if (known := self._calls.get(number)) is not None:
            self._feed(known, memoryview(b""), ended, 0)  # trailers, which gRPC's clients have none of
            return
        if number % 2 == 0:
            raise ProtocolViolation(frames.PROTOCOL_ERROR, "A client's streams have odd numbers.")
        if number <= self._last:
            return  # trailers of a call that is over
        self._last = number
        if self._refusing or len(self._calls) >= self._server.limits.max_concurrent_streams:
            self._out.write(frames.reset(number, frames.REFUSED_STREAM))
        elif headers is None:
            block = response(self._server.fresh_id()) + TOO_MANY_HEADERS
            self._out.write(frames.frame(frames.HEADERS, frames.END_HEADERS | frames.END_STREAM, number, block))
        else:
            self._accept(number, headers, ended)

    def _accept(self, number: int, headers: Headers, ended: bool) -> None:
        if not headers.get("content-type", "").startswith("application/grpc"):
            self._out.write(frames.frame(frames.HEADERS, frames.END_HEADERS | frames.END_STREAM, number, STATUS_415))
            return
        path = headers.get(":path", "")
        method = self._server.methods.get(path) or Method(path, ANY_KEY)
        request_id = accepted(headers.get("x-request-id", "").encode("latin-1")) or self._server.fresh_id()
        call = Call(self, number, method=method, headers=headers, request_id=request_id, window=self._out.initial_window)
        self._calls[number] = call
        try:
            if method.unary is None and method.streaming is None:
                raise Status("UNIMPLEMENTED", f"The server has no method {path}.")
            if headers.get("grpc-encoding", "identity") not in ENCODINGS:
                raise Status("UNIMPLEMENTED", f"Messages may be compressed as {', '.join(ENCODINGS)}.")
            if (guard := self._server.guard) is not None:
                call.key = guard.identify(method.access, *_credentials(headers))
                require(call.key, method.access)
                call.validity = guard.while_valid(call.key, method.access)
            call.begin()
            if self._draining:
                call.dismiss(LEAVING)
            if ended:
                call.receive(memoryview(b""), True, 0)
        except Status as status:
            call.ended = ended
            call.cancel(status)
        except JubakoError as error:
            call.ended = ended
            call.error = type(error).__name__
            call.cancel(Status.of(error))

    def _on_reset(self, number: int, flags: int, payload: bytes) -> None:
        if len(payload) != U32.size or number == 0 or number > self._last:
            raise ProtocolViolation(frames.PROTOCOL_ERROR, "A stream is reset that was not opened.")
        if (call := self._calls.get(number)) is not None:
            call.abandon()
            self._close(call)
            self._resets += 1
            if 2 * self._resets > self._closed + RESETS:
                raise ProtocolViolation(frames.ENHANCE_YOUR_CALM, "Too many calls were reset before they were answered.")

    def _on_settings(self, number: int, flags: int, payload: bytes) -> None:
        if flags & frames.ACK:
            return
        if len(payload) % frames.SETTING.size or number:
            raise ProtocolViolation(frames.FRAME_SIZE_ERROR, "The settings can't be read.")
        for name, value in frames.SETTING.iter_unpack(payload):
            if name == frames.INITIAL_WINDOW_SIZE:
                if value > frames.MAX_WINDOW:
                    raise ProtocolViolation(frames.FLOW_CONTROL_ERROR, "The initial window is too large.")
                self._initial_window = value
            elif name == frames.MAX_FRAME_SIZE:
                if not frames.DEFAULT_FRAME_SIZE <= value < 2**24:
                    raise ProtocolViolation(frames.PROTOCOL_ERROR, "The largest frame is none.")
                self._frame_size = value
        if not self._unconfirmed:
            self.loop.call_soon(self._confirm_settings)
        self._unconfirmed += 1

    def _confirm_settings(self) -> None:
        # All that came at the same time at once: a new window concerns every call, and frames of settings cost next to nothing.
        # The client counts by them from our word on, so nothing that needs them may leave before it.
        self._out.write(frames.frame(frames.SETTINGS, frames.ACK, 0) * self._unconfirmed)
        self._unconfirmed = 0
        self._out.frame_size = self._frame_size
        if self._initial_window != self._out.initial_window:
            self._out.set_initial_window(self._initial_window, self._calls.values())

    def _on_ping(self, number: int, flags: int, payload: bytes) -> None:
        if len(payload) != 8 or number:
            raise ProtocolViolation(frames.FRAME_SIZE_ERROR, "A ping has eight bytes.")
        if not flags & frames.ACK:
            self._out.write(frames.frame(frames.PING, frames.ACK, 0, payload))
        elif payload == DRAINING and self._draining and not self._refusing:
            self._refusing = True
            self._out.write(frames.goaway(self._last, frames.NO_ERROR))
            self._leave_if_idle()

    def _on_window_update(self, number: int, flags: int, payload: bytes) -> None:
        if len(payload) != U32.size:
            raise ProtocolViolation(frames.FRAME_SIZE_ERROR, "A window's update has four bytes.")
        size = U32.unpack(payload)[0] & frames.MAX_WINDOW
        if size == 0:
            raise ProtocolViolation(frames.PROTOCOL_ERROR, "A window grows by nothing.")
        if number == 0:
            self._out.widen(size)
        elif (call := self._calls.get(number)) is not None:
            self._out.widen_stream(call, size)

    def _on_push_promise(self, number: int, flags: int, payload: bytes) -> None:
        raise ProtocolViolation(frames.PROTOCOL_ERROR, "Clients promise nothing.")

    # The end of calls, and of the connection

    def _close(self, call: Call) -> None:
        """The call's last frame is written, or its client is gone."""
        if self._calls.pop(call.number, None) is None:
            return
        self._closed += 1
        self._out.forget(call)
        self._server.answered(call)
        self._leave_if_idle()

    def _leave_if_idle(self) -> None:
        if self._refusing and not self._calls:
            self._hang_up()

    def _abandon_calls(self) -> None:
        for call in list(self._calls.values()):
            call.abandon()
            self._close(call)

    def _hang_up(self) -> None:
        """Send what is written, and close once the client has, or soon.

        A socket that is closed while its client still sends is reset by the kernel, and the client may never read why.
        """
        if self._out.ended:
            return
        self._out.finish()
        self._abandon_calls()
        self.loop.call_later(LINGER_S, self._transport.close)

    def _look(self) -> None:
        """Ask whether a silent client is still there, and hang up when it does not answer."""
        if self._active:
            self._active = self._pinged = False
            self._timer = self.loop.call_later(self._server.limits.keepalive_s, self._look)
        elif not self._pinged:
            self._ping(bytes(8))
        else:
            self._transport.abort()

    def _ping(self, word: bytes) -> None:
        """Ask for a sign of life, and look whether one came in time."""
        self._active, self._pinged = False, True
        self._out.write(frames.frame(frames.PING, 0, 0, word))
        self._timer.cancel()
        self._timer = self.loop.call_later(self._server.limits.keepalive_timeout_s, self._look)


def _credentials(headers: Headers) -> tuple[bytes, bytes]:
    """What the caller shows: the header of HTTP, and the one that some clients have in its place."""
    return headers.get("authorization", "").encode("latin-1"), headers.get("x-api-key", "").encode("latin-1")


def _unpadded(payload: memoryview) -> memoryview:
    if not payload or payload[0] >= len(payload):
        raise ProtocolViolation(frames.PROTOCOL_ERROR, "A frame is padded with more than itself.")
    return payload[1 : len(payload) - payload[0]]
