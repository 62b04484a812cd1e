"""A client of HTTP/2 that need not behave."""

from __future__ import annotations

import asyncio
import struct
from typing import Final

import hpack

from jubako.grpc.transport import frames

PATIENCE_S: Final = 60.0
"""For what takes milliseconds on a machine that has nothing else to do."""


class Peer:
    """A client that writes frames itself."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._encoder = hpack.Encoder()
        self._decoder = hpack.Decoder()

    def write(self, data: bytes) -> None:
        self._writer.write(data)

    def greet(self, settings: dict[int, int] | None = None) -> None:
        self.write(frames.PREFACE + frames.settings(settings or {}))

    def block(self, path: str, **more: str) -> bytes:
        headers = {":method": "POST", ":scheme": "http", ":path": path, "content-type": "application/grpc", "te": "trailers"}
        headers.update({name.replace("_", "-"): value for name, value in more.items()})
        return self._encoder.encode(list(headers.items()))

    def call(self, number: int, path: str, message: bytes = b"", **more: str) -> None:
        self.write(frames.frame(frames.HEADERS, frames.END_HEADERS, number, self.block(path, **more)))
        content = struct.pack(">BI", 0, len(message)) + message
        self.write(frames.frame(frames.DATA, frames.END_STREAM, number, content))

    async def read(self, *kinds: int) -> tuple[int, int, int, bytes]:
        """The next frame of one of these kinds: kind, flags, stream, payload."""
        while True:
            high, low, kind, flags, number = frames.HEAD.unpack(await asyncio.wait_for(self._reader.readexactly(9), PATIENCE_S))
            payload = await self._reader.readexactly(high << 8 | low)
            if kind in kinds:
                return kind, flags, number, payload

    async def status(self, number: int) -> dict[str, str]:
        """The trailers of a call."""
        while True:
            _, flags, stream, payload = await self.read(frames.HEADERS)
            headers = {str(name): str(value) for name, value in self._decoder.decode(payload)}
            if stream == number and flags & frames.END_STREAM:
                return headers

    async def farewell(self) -> tuple[int, str]:
        """The code and the sentence with which the server hangs up."""
        _, _, _, payload = await self.read(frames.GOAWAY)
        assert await asyncio.wait_for(self._reader.read(), PATIENCE_S) == b""
        return frames.U32.unpack_from(payload, 4)[0], payload[8:].decode()

    def close(self) -> None:
        self._writer.close()
