"""What a server process owes the system: to end with its parent, and to hear that it should end."""

from __future__ import annotations

import asyncio
import ctypes
import signal
import sys
from collections.abc import Callable
from types import FrameType

_PR_SET_PDEATHSIG = 1


def die_with_parent(signum: signal.Signals) -> None:
    """Have the kernel send `signum` to this process when the thread that started it ends, however it ends. Linux only."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signum)


def on_termination(callback: Callable[[], None]) -> None:
    """Have the running event loop call `callback` once when SIGTERM or SIGINT comes, before whoever else handles the signal.

    For code that runs inside a server such as uvicorn, which has handlers of its own: those still run.
    """
    loop = asyncio.get_running_loop()
    called = False

    def once() -> None:
        nonlocal called
        if not called:
            called = True
            callback()

    for signum in (signal.SIGTERM, signal.SIGINT):
        previous = signal.getsignal(signum)

        def handle(number: int, frame: FrameType | None, previous: object = previous) -> None:
            loop.call_soon_threadsafe(once)
            if callable(previous):
                previous(number, frame)

        signal.signal(signum, handle)
