"""Header blocks: what a request's say, and those of the answers."""

from __future__ import annotations

from typing import Final

import hpack

from jubako.grpc.transport import frames
from jubako.grpc.transport.frames import ProtocolViolation

Headers = dict[str, str]

MAX_HEADERS: Final = 32 * 1024
"""Bytes of a request's headers as HTTP/2 counts them: with 32 for each. A call with more is refused."""

MOST_HEADERS: Final = 128 * 1024
"""Bytes of headers, compressed or not, that are read at all: refusing a call and no other takes reading them to their end."""

_ENTRY: Final = 32

TABLE_SIZE: Final = 4096

_MAX_KEPT: Final = 128 * 1024
"""Bytes of blocks that were read before, and of what they say."""


class HeaderReader:
    """Reads one connection's header blocks, which refer to those before."""

    def __init__(self) -> None:
        self._decoder = hpack.Decoder(max_header_list_size=MOST_HEADERS)
        self._decoder.max_allowed_table_size = TABLE_SIZE
        # A client's calls mostly differ in nothing: their blocks are the same bytes, and mean the same until one adds to the
        # table.
        self._known: dict[bytes, Headers] = {}
        self._kept = 0
        self._entries = 0
        self._newest: object = None

    def read(self, block: bytes) -> Headers | None:
        """The headers; those that come more than once are joined with commas. None where they are more than a call may have.

        Raises:
            ProtocolViolation: the block is broken, or says more than is read.
        """
        if (known := self._known.get(block)) is not None:
            return known
        try:
            fields = self._decoder.decode(block, raw=True)
        except hpack.OversizedHeaderListError:
            raise ProtocolViolation(frames.ENHANCE_YOUR_CALM, f"Headers are more than {MOST_HEADERS} bytes.") from None
        except (hpack.HPACKError, UnicodeDecodeError):
            raise ProtocolViolation(frames.COMPRESSION_ERROR, "A header block can't be read.") from None
        if sum(len(name) + len(value) + _ENTRY for name, value in fields) > MAX_HEADERS:
            self._keep(b"", {})  # nothing of it, but the table may have changed
            return None
        headers: Headers = {}
        for raw_name, raw_value in fields:
            name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
            headers[name] = f"{headers[name]},{value}" if name in headers else value
        self._keep(block, headers)
        return headers

    def _keep(self, block: bytes, headers: Headers) -> None:
        table = self._decoder.header_table.dynamic_entries
        newest = table[0] if table else None
        # An entry may be added that is equal to the one before it: it moves the others all the same.
        moved = newest is not self._newest or len(table) != self._entries
        self._newest, self._entries = newest, len(table)
        self._kept += len(block) + sum(len(name) + len(value) for name, value in headers.items())
        if moved or self._kept > _MAX_KEPT:
            self._known.clear()
            self._kept = 0
        else:
            self._known[block] = headers


def literal(name: str, value: str) -> bytes:
    """A header that refers to nothing and that nothing will refer to."""
    name_bytes, value_bytes = name.encode(), value.encode()
    return b"\x00" + _sized(name_bytes) + _sized(value_bytes)


def _sized(content: bytes) -> bytes:
    size = len(content)
    if size < 0x7F:
        return bytes([size]) + content
    size -= 0x7F
    prefix = bytearray([0x7F])
    while size >= 0x80:
        prefix.append(size & 0x7F | 0x80)
        size >>= 7
    prefix.append(size)
    return bytes(prefix) + content


def response(request_id: str) -> bytes:
    """The headers of an answer."""
    return _RESPONSE + literal("x-request-id", request_id)


STATUS_415: Final = b"\x08\x03415"
_STATUS_200: Final = b"\x88"
_RESPONSE: Final = _STATUS_200 + literal("content-type", "application/grpc")
OK_TRAILERS: Final = literal("grpc-status", "0")
