"""A person at a terminal: `jubako` behind a pseudo-terminal, with keys to press and a screen to read."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from tests.unit.cli.command import clean_environment

PATIENCE_S = 100.0
CTRL_C = "\x03"
CTRL_D = "\x04"


class Terminal:
    """Runs `jubako` with these arguments. A context manager that ends it."""

    def __init__(self, *arguments: str, home: Path) -> None:
        self._master, slave = pty.openpty()
        self.screen = ""
        self._seen = 0
        self.process = subprocess.Popen(
            [sys.executable, "-m", "jubako", *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=clean_environment(XDG_CACHE_HOME=str(home)),
            start_new_session=True,
            preexec_fn=_take_terminal,  # noqa: PLW1509 - no thread holds a lock at that moment
        )
        os.close(slave)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._master)

    def type(self, keys: str) -> None:
        # A Ctrl-C in the moment between showing a prompt and waiting for keys is lost in CPython's readline. People are slower.
        self._wait_until_it_waits()
        os.write(self._master, keys.encode())

    def enter(self, line: str) -> None:
        self.type(line + "\r")

    def wait_for(self, text: str) -> str:
        """Wait until `text` is on the screen below what was waited for before; returns what came up to it."""
        deadline = time.monotonic() + PATIENCE_S
        while (found := self.screen.find(text, self._seen)) < 0:
            ready, _, _ = select.select([self._master], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"{text!r} did not come:\n{self.screen[self._seen :]}"
            self.screen += os.read(self._master, 65536).decode(errors="replace")
        came = self.screen[self._seen : found]
        self._seen = found + len(text)
        return came

    def _wait_until_it_waits(self) -> None:
        process = psutil.Process(self.process.pid)
        deadline = time.monotonic() + PATIENCE_S
        while process.status() != psutil.STATUS_SLEEPING:
            assert time.monotonic() < deadline, "it never waits for keys"
            time.sleep(0.001)

    def wait_for_exit(self) -> int:
        return self.process.wait(PATIENCE_S)


def _take_terminal() -> None:
    # As a shell starts a command: a process whose parents ran in the background would ignore Ctrl-C for ever.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # The slave becomes the controlling terminal of the new session, so that Ctrl-C reaches the process.
    os.close(os.open(os.ttyname(0), os.O_RDWR))
