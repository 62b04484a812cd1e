"""Server-sent events, read as they come (https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream)."""

from __future__ import annotations

from collections.abc import Iterable

from jubako.errors import UpstreamFailed

MAX_EVENT_BYTES = 16 * 1024 * 1024
"""A longer event is a broken upstream."""

_MARK = b"\xef\xbb\xbf"


class EventReader:
    """Cuts a stream of bytes, however it is cut itself, into the data of its events. Event names, ids and comments are left out:
    the data of both protocols here says itself what it is."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._searched = 0
        self._held = b""
        self._begun = False

    def feed(self, chunk: bytes) -> Iterable[bytes]:
        """The data of each event that `chunk` completes.

        Raises:
            UpstreamFailed: an event is longer than `MAX_EVENT_BYTES`.
        """
        if not self._begun:
            chunk = self._held + chunk
            if _MARK.startswith(chunk[:3]) and len(chunk) < len(_MARK):
                self._held = chunk
                return ()
            self._begun, self._held = True, b""
            chunk = chunk.removeprefix(_MARK)
        if self._held or b"\r" in chunk:
            chunk = self._with_plain_ends(chunk)
        if not self._rest and chunk.endswith(b"\n\n"):
            # As nearly always: whole events, and mostly one.
            blocks = chunk[:-2].split(b"\n\n")
        else:
            self._rest += chunk
            # An end of an event may lie across what came before and what comes now.
            if self._rest.find(b"\n\n", max(0, self._searched - 1)) < 0:
                self._searched = len(self._rest)
                if len(self._rest) > MAX_EVENT_BYTES:
                    raise UpstreamFailed("The upstream sent an event without an end.")
                return ()
            blocks = bytes(self._rest).split(b"\n\n")
            self._rest = bytearray(blocks.pop())
            self._searched = 0
        return [data for block in blocks if (data := _data(block)) is not None]

    def close(self) -> Iterable[bytes]:
        """The data of a last event that lacks its empty line, as servers that end without one send it."""
        data = _data(bytes(self._rest))
        return () if data is None else (data,)

    def _with_plain_ends(self, chunk: bytes) -> bytes:
        """`chunk` with a plain newline at the end of each line. A carriage return at its end waits for what follows."""
        chunk = self._held + chunk
        self._held = b""
        if chunk.endswith(b"\r"):
            chunk, self._held = chunk[:-1], b"\r"
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _data(block: bytes) -> bytes | None:
    """The joined data of one event; None where it has none."""
    if block.startswith(b"data: ") and b"\n" not in block:
        return block[6:]
    lines = [
        line[6:] if line.startswith(b"data: ") else line[5:]
        for line in block.split(b"\n")
        if line.startswith(b"data:") or line == b"data"
    ]
    return b"\n".join(lines) if lines else None
