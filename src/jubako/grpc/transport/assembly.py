"""From the bytes of a stream to messages: each is a flag, its length in four bytes, and that many bytes."""

from __future__ import annotations

import struct
import zlib
from typing import Final

from jubako.errors import PayloadTooLarge
from jubako.grpc.transport.status import Status
from jubako.tensors import Buffer

PREFIX: Final = struct.Struct(">BI")

SMALL: Final = 1024
"""Bytes of a message up to which a copy costs less than what a view of it would keep."""

ENCODINGS: Final = {"identity": 0, "gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
"""How messages may be compressed, and what zlib calls it."""


class Assembly:
    """Puts together the messages of one stream.

    A message that came in one piece is a view of that piece, and a small one a copy, which does not hold on to all that came with
    it. Another is gathered in a buffer of its own, which is as large as what has come: a length costs a client nothing.
    """

    def __init__(self, encoding: str, max_bytes: int) -> None:
        self._encoding = encoding
        self._max_bytes = max_bytes
        self._prefix = b""
        self._compressed = False
        self._buffer: bytearray | None = None
        self._size = 0

    @property
    def whole(self) -> bool:
        """Whether no message is left unfinished."""
        return self._buffer is None and not self._prefix

    def feed(self, data: memoryview) -> list[Buffer]:
        """The messages that `data` completes.

        Raises:
            Status: a message is larger than it may be, or is not compressed as was said.
        """
        if self._buffer is None and not self._prefix and len(data) >= PREFIX.size:
            compressed, size = PREFIX.unpack_from(data)
            if len(data) == PREFIX.size + size and not compressed and size <= self._max_bytes:
                return [bytes(data[PREFIX.size :]) if size <= SMALL else data[PREFIX.size :]]
        return self._gather(data)

    def _gather(self, data: memoryview) -> list[Buffer]:
        messages: list[Buffer] = []
        while len(data):
            if self._buffer is None:
                missing = PREFIX.size - len(self._prefix)
                self._prefix += bytes(data[:missing])
                data = data[missing:]
                if len(self._prefix) < PREFIX.size:
                    break
                self._begin()
            assert self._buffer is not None
            missing = self._size - len(self._buffer)
            self._buffer += data[:missing]
            data = data[missing:]
            if len(self._buffer) == self._size:
                messages.append(self._finished(self._buffer))
        return messages

    def _begin(self) -> None:
        flag, size = PREFIX.unpack(self._prefix)
        self._prefix = b""
        if size > self._max_bytes:
            raise _too_large(size, self._max_bytes)
        self._compressed = bool(flag)
        self._buffer = bytearray()
        self._size = size

    def _finished(self, buffer: bytearray) -> Buffer:
        self._buffer = None
        if self._compressed:
            return self._decompressed(buffer)
        return bytes(buffer) if len(buffer) <= SMALL else memoryview(buffer).toreadonly()

    def _decompressed(self, content: bytearray) -> bytes:
        if self._encoding == "identity":
            raise Status("INTERNAL", "A message is compressed, and the header grpc-encoding does not say how.")
        engine = zlib.decompressobj(ENCODINGS[self._encoding])
        try:
            message = engine.decompress(content, self._max_bytes + 1)
        except zlib.error:
            raise Status("INTERNAL", f"A message can't be decompressed as {self._encoding}.") from None
        if len(message) > self._max_bytes:
            raise _too_large(len(message), self._max_bytes)
        if not engine.eof:
            raise Status("INTERNAL", f"A message of {self._encoding} is cut short.")
        return message


def _too_large(size: int, max_bytes: int) -> Status:
    error = PayloadTooLarge(
        f"The message has at least {size} bytes; at most {max_bytes} are taken (the setting grpc_max_message_bytes, and "
        "less by methods that ask nobody for a key). Send less at once, or put the tensors into shared memory."
    )
    return Status.of(error)
