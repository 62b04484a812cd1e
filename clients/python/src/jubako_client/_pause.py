"""Waits between the attempts of a stream, which end at once where the stream is closed."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress


class Pause:
    """For threads."""

    def __init__(self) -> None:
        self._ended = threading.Event()

    def wait(self, seconds: float) -> None:
        """Wait for `seconds`, or until :meth:`end`; not at all once it has been called."""
        self._ended.wait(seconds)

    def end(self) -> None:
        self._ended.set()


class AsyncPause:
    """The same for tasks."""

    def __init__(self) -> None:
        self._ended = asyncio.Event()

    async def wait(self, seconds: float) -> None:
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._ended.wait(), seconds)

    def end(self) -> None:
        self._ended.set()
