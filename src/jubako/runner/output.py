"""What a process writes on stdout and stderr: logged line by line, and the last lines kept."""

from __future__ import annotations

import asyncio
import logging
from collections import deque

log = logging.getLogger(__name__)

LINES_KEPT = 20
"""Lines that are kept to say why a process ended."""

LONGEST_LINE = 2000
"""Bytes of a line that are logged; engines draw progress bars without end."""

LONGEST_LAST_WORDS = 1500
"""Characters of the kept lines that a reason may quote."""


class Output(asyncio.Protocol):
    """The reading end of a process's output. `ended` is set when everybody who could write has gone."""

    def __init__(self, name: str) -> None:
        self.ended = asyncio.Event()
        self._name = name
        self._lines: deque[str] = deque(maxlen=LINES_KEPT)
        self._rest = b""

    @property
    def last_words(self) -> str:
        """The end of what was written, on one line."""
        return " | ".join(self._lines)[-LONGEST_LAST_WORDS:]

    # asyncio.Protocol

    def data_received(self, data: bytes) -> None:
        *lines, rest = (self._rest + data).replace(b"\r", b"\n").split(b"\n")
        for line in lines:
            self._log(line)
        self._rest = rest[-LONGEST_LINE:]

    def connection_lost(self, exc: Exception | None) -> None:
        self._log(self._rest)
        self.ended.set()

    def _log(self, line: bytes) -> None:
        if text := line[:LONGEST_LINE].decode(errors="replace").rstrip():
            self._lines.append(text)
            log.info("%s: %s", self._name, text)
