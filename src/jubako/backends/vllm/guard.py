"""Ends the processes that an engine has started, however the instance ends."""

from __future__ import annotations

import os
import subprocess

_WATCH = "trap '' HUP INT TERM; read -r _; kill -KILL 0"
"""Nothing is ever written, so the line never comes; the end of the pipe does, and then the whole process group goes, the
shell with it."""


def guard_process_group() -> None:
    """Have every process of this group killed when this process ends, be it by a signal that nobody can catch.

    vLLM's engine core and workers are no daemons: they would live on, with the model's memory. The kernel's parent-death signal
    does not reach what a child starts. So a shell waits at a pipe whose other end only this process has. A process that does not
    lead its group, so that the group is not its own, is left alone.
    """
    if os.getpgrp() != os.getpid():
        return
    reading, descriptor = os.pipe()
    # The hook keeps the file open for as long as this process lives; in engine processes that are forked, and would hold the pipe
    # open, it closes it. In their own children it is closed already, and its number may be another file's.
    writing = os.fdopen(descriptor, "wb", buffering=0)
    os.register_at_fork(after_in_child=writing.close)
    subprocess.Popen(  # noqa: S603 - a constant
        ["/bin/sh", "-c", _WATCH], stdin=reading, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    os.close(reading)
