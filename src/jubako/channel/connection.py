"""One end of a channel: frames in, frames out, one write for all that a turn of the event loop sent."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol, cast

from jubako.channel.frames import AnyFrame, FrameReader, FrameWriter, ProtocolError

log = logging.getLogger(__name__)


class Peer(Protocol):
    """Who is told what arrives. Both methods are called from the event loop and must not block."""

    def on_frame(self, connection: Connection, frame: AnyFrame) -> None: ...

    def on_closed(self, connection: Connection) -> None:
        """The connection is gone, whichever side ended it. Called once; no frame follows."""


class Connection(asyncio.Protocol):
    """Frames over one socket.

    Args:
        peer: Receives the frames.
        last_word: Called just before each write; what it returns is appended (an instance says its load with every burst).
    """

    def __init__(self, peer: Peer, last_word: Callable[[], AnyFrame | None] | None = None) -> None:
        self._peer = peer
        self._last_word = last_word
        self._reader = FrameReader()
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._outgoing = FrameWriter()
        self._flush_scheduled = False
        self._closed = False

    @property
    def closed(self) -> bool:
        return self._closed

    def send(self, frame: AnyFrame) -> None:
        """Send `frame` with all others of this turn of the loop. On a closed connection it is dropped."""
        if self._closed:
            return
        self._outgoing.add(frame)
        if not self._flush_scheduled:
            self._flush_scheduled = True
            self._loop.call_soon(self._flush)

    def close(self) -> None:
        """Send what is left, then close."""
        self._flush()
        if self._transport is not None:
            self._transport.close()

    def _flush(self) -> None:
        if self._transport is None:
            return
        self._flush_scheduled = False
        if not self._outgoing or self._closed:
            return
        if self._last_word is not None and (frame := self._last_word()) is not None:
            self._outgoing.add(frame)
        pieces = self._outgoing.take()
        if len(pieces) == 1:
            self._transport.write(pieces[0])
        else:
            self._transport.writelines(pieces)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A cast, not a check: uvloop's transports do not inherit from asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        self._flush()

    def data_received(self, data: bytes) -> None:
        try:
            frames = self._reader.feed(data)
        except ProtocolError as error:
            log.error("closing a channel: %s", error)
            assert self._transport is not None
            self._transport.abort()
            return
        for frame in frames:
            self._peer.on_frame(self, frame)

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed = True
        self._outgoing.take()
        self._peer.on_closed(self)
