"""uvicorn's HTTP/1.1, with one write to a client for all that a turn of the event loop has to say to it.

uvicorn writes the head of an answer and its body one after the other, and asyncio passes each write to the system at once. A
system call costs about as much as all the rest of a small request, so what belongs together leaves together here.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

from uvicorn.config import HTTP_PROTOCOLS
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

DIRECT_BYTES = 64 * 1024
"""Pieces from this length on are passed on as they are, because joining would copy them."""


class GatheringTransport(asyncio.Transport):
    """Another transport, whose small writes wait for the end of the turn."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._transport = transport
        self._loop = loop
        self._pieces: list[bytes | bytearray | memoryview] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if len(data) >= DIRECT_BYTES:
            self.flush()
            self._transport.write(data)
            return
        if not self._pieces:
            self._loop.call_soon(self.flush)
        self._pieces.append(data)

    def flush(self) -> None:
        """Write what waits."""
        if self._pieces:
            pieces, self._pieces = self._pieces, []
            self._transport.write(pieces[0] if len(pieces) == 1 else b"".join(pieces))

    def close(self) -> None:
        self.flush()
        self._transport.close()

    def abort(self) -> None:
        self._pieces.clear()
        self._transport.abort()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.flush()
        self._transport.set_protocol(protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._transport.get_protocol()

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    def is_reading(self) -> bool:
        return self._transport.is_reading()


class GatheringProtocol(HttpToolsProtocol):
    """uvicorn's protocol over a :class:`GatheringTransport`."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A cast, not a check: uvloop's transports do not inherit from asyncio's.
        super().connection_made(GatheringTransport(cast(asyncio.Transport, transport), self.loop))


def install() -> None:
    """Have every uvicorn of this process use it. BentoML, which starts ours, has no setting for that."""
    HTTP_PROTOCOLS["auto"] = f"{__name__}:{GatheringProtocol.__name__}"
