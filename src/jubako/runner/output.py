"""What a process writes on stdout and stderr: logged line by line, and the last lines kept."""

from __future__ import annotations

import asyncio
import logging
import os
from collections import deque

log = logging.getLogger(__name__)

LINES_KEPT = 20
"""Lines that are kept to say why a process ended."""

LONGEST_LINE = 2000
"""Bytes of a line that are logged; engines draw progress bars without end."""

LONGEST_LAST_WORDS = 1500
"""Characters of the kept lines that a reason may quote."""


CHUNK = 64 * 1024
"""Bytes that are read at a time."""


class Output:
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

    def read_from(self, pipe: int) -> None:
        """Read what comes from a pipe, and close it when nobody can write any more.

        Not by the loop's own reader of pipes: uvloop's closes the number that the pipe had a second time, under which another
        thread may have opened a file meanwhile.
        """
        os.set_blocking(pipe, False)
        asyncio.get_running_loop().add_reader(pipe, self._read, pipe)

    def _read(self, pipe: int) -> None:
        try:
            data = os.read(pipe, CHUNK)
        except BlockingIOError:
            return
        if data:
            self._take(data)
            return
        asyncio.get_running_loop().remove_reader(pipe)
        os.close(pipe)
        self._log(self._rest)
        self.ended.set()

    def _take(self, data: bytes) -> None:
        *lines, rest = (self._rest + data).replace(b"\r", b"\n").split(b"\n")
        for line in lines:
            self._log(line)
        self._rest = rest[-LONGEST_LINE:]

    def _log(self, line: bytes) -> None:
        if text := line[:LONGEST_LINE].decode(errors="replace").rstrip():
            self._lines.append(text)
            log.info("%s: %s", self._name, text)
