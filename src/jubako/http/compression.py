"""gzip and deflate of bodies (RFC 9110, 8.4.1), bounded: what decompresses to more than may be sent is refused.

Only whoever asks for nothing else gets a compressed answer: clients such as browsers accept everything by default, and
compressing tensors for those that never meant it costs far more time than it saves.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Sequence

from jubako.errors import InvalidRequest, PayloadTooLarge, UnsupportedMediaType
from jubako.tensors import Buffer

IN_A_THREAD_FROM_BYTES = 256 * 1024
"""Longer bodies are worked on in a thread, so that other requests go on."""

LEVEL = 1
"""The fastest: tensors hardly gain from more."""

_AUTOMATIC = zlib.MAX_WBITS | 32
"""zlib finds out by itself whether it is its own format or gzip's."""
_WINDOW = {b"gzip": zlib.MAX_WBITS | 16, b"deflate": zlib.MAX_WBITS}
_KNOWN = {b"gzip": _AUTOMATIC, b"x-gzip": _AUTOMATIC, b"deflate": _AUTOMATIC}


async def decompress(body: Buffer, encoding: bytes, limit: int) -> Buffer:
    """The body that was compressed as its content-encoding says.

    Raises:
        UnsupportedMediaType: the encoding is not known here.
        InvalidRequest: the body is not of this encoding, or ends too early.
        PayloadTooLarge: it would be longer than `limit` bytes.
    """
    name = encoding.strip().lower()
    if name in (b"", b"identity"):
        return body
    if name not in _KNOWN:
        raise UnsupportedMediaType(
            f"The request body is compressed as {encoding.decode('latin-1')!r}, which this server does not take. Use gzip or "
            "deflate, or send it as it is."
        )
    if len(body) > IN_A_THREAD_FROM_BYTES:
        return await asyncio.to_thread(_decompress, body, name.decode("ascii"), limit)
    return _decompress(body, name.decode("ascii"), limit)


def accepted_encoding(accepted: bytes | None) -> bytes | None:
    """The encoding of an answer for whoever sent this ``accept-encoding``; None for none."""
    if accepted is None:
        return None
    name = accepted.strip().lower()
    return name if name in _WINDOW else None


async def compress(pieces: Sequence[Buffer], encoding: bytes) -> list[bytes]:
    """A body in pieces, compressed as `encoding`, which :func:`accepted_encoding` gave."""
    if sum(map(len, pieces)) > IN_A_THREAD_FROM_BYTES:
        return await asyncio.to_thread(_compress, pieces, encoding)
    return _compress(pieces, encoding)


def _compress(pieces: Sequence[Buffer], encoding: bytes) -> list[bytes]:
    compressor = zlib.compressobj(LEVEL, wbits=_WINDOW[encoding])
    return [*(compressor.compress(piece) for piece in pieces), compressor.flush()]


def _decompress(body: Buffer, name: str, limit: int) -> bytes:
    decompressor = zlib.decompressobj(_AUTOMATIC)
    try:
        whole = decompressor.decompress(body, limit + 1)
    except zlib.error:
        raise InvalidRequest(f"The request body is not {name}, as its content-encoding says.") from None
    if len(whole) > limit:
        raise PayloadTooLarge(
            f"The decompressed request body is larger than {limit} bytes, the most that this server takes (max_body_bytes)."
        )
    if not decompressor.eof:
        raise InvalidRequest(f"The request body ends before its {name} data does.")
    if decompressor.unused_data:
        raise InvalidRequest(f"The request body goes on after its {name} data has ended.")
    return whole
