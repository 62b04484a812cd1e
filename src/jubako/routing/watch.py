"""The gateway's ear: what the runner says of its instances."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

import msgspec

from jubako.messages import Snapshot

_REQUEST = b"GET /watch HTTP/1.1\r\nHost: runner\r\nConnection: close\r\n\r\n"
_decoder = msgspec.json.Decoder(Snapshot)


async def watch(socket_path: str) -> AsyncGenerator[Snapshot, None]:
    """Snapshots from the runner at `socket_path`: one at once, then one after each change. It ends only by an error.

    Closing the iterator tells the runner that this watcher has no call in flight any more.

    Raises:
        OSError: the runner is not there, or is there no longer.
    """
    reader, writer = await asyncio.open_unix_connection(socket_path)
    try:
        writer.write(_REQUEST)
        head = await reader.readuntil(b"\r\n\r\n")
        status = head.partition(b"\r\n")[0].decode("latin-1")
        if " 200" not in status:
            raise ConnectionError(f"The runner at {socket_path} answered {status!r} to a watch.")
        rest = b""
        async for piece in _pieces(reader):
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                yield _decoder.decode(line)
    except (asyncio.IncompleteReadError, msgspec.DecodeError) as error:
        raise ConnectionError(f"The runner at {socket_path} broke off: {error}") from error
    finally:
        writer.close()
    raise ConnectionError(f"The runner at {socket_path} has shut down.")


async def _pieces(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """The body of an HTTP answer with chunked transfer coding."""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        yield (await reader.readexactly(size + 2))[:-2]
