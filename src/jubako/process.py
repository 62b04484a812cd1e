"""What a server process owes the system: to end with its parent, and to hear that it should end."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType

_PR_SET_PDEATHSIG = 1


def die_with_parent(signum: signal.Signals, parent_pid: int | None = None) -> None:
    """Have the kernel send `signum` to this process when its parent dies, however it dies. Linux only; elsewhere nothing.

    Args:
        signum: The signal to send.
        parent_pid: The parent that should be alive now; if it is already gone the signal is sent at once. Default: no check.
    """
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signum)
    if parent_pid is not None and os.getppid() != parent_pid:
        os.kill(os.getpid(), signum)


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
