"""One process of an instance as the runner holds it: started, heard, told to leave, killed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
import signal
import socket
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Self

import msgspec

import jubako
from jubako.backends.base import ModelSpec
from jubako.channel.connection import Connection
from jubako.channel.frames import AnyFrame, Drain, Heard, Hello, Load, LoadFailed, Repository, Start
from jubako.messages import Snapshot
from jubako.runner.output import Output

log = logging.getLogger(__name__)

UNREAD_S = 1.0
"""How long what an instance said may lie unread here."""

HELD_OUTPUT_S = 1.0
"""How long the output of a process that ended is still read, if somebody holds it open."""


class LoadError(Exception):
    """The model could not be loaded. `permanent`: trying again is useless."""

    def __init__(self, reason: str, *, permanent: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.permanent = permanent


class InstanceExited(Exception):
    """The process ended. The text says how, and its last words."""


class Stalled(Exception):
    """The process lives but produces nothing, or does not even say that it lives."""


class InstanceProcess:
    """One process, from its start to its exit. Made by :meth:`start`; the maker must see it :meth:`end`.

    It is heard once a second over its control connection: what it says there is its `load`, and whether it is well.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.load = Load(running=0, queued=0, capacity=1, progress=0)
        self._loop = asyncio.get_running_loop()
        self._hello: asyncio.Future[Hello] = self._loop.create_future()
        self._output = Output(name)
        self._well_at = self._loop.time()
        self._process: asyncio.subprocess.Process
        self._control: _PacedConnection
        self._following: asyncio.Task[None] | None = None
        self._heard: float = 0
        self._hearing = asyncio.Event()
        self._ended: asyncio.Task[None]

    @classmethod
    async def start(cls, name: str, spec: ModelSpec, listen: socket.socket, temporary: Path) -> Self:
        """Start a process that will load `spec`, serve `listen` and use `temporary` for its files; both stay the caller's.

        Must run in the process's main thread: the kernel ends the child with the *thread* that started it.

        Raises:
            OSError: the system can't start a process.
        """
        instance = cls(name)
        control, their_control = socket.socketpair()
        # A pipe of our own: asyncio would not see a process end while a child of its engine holds asyncio's pipe open.
        output, their_output = os.pipe()
        try:
            instance._process = await _spawn(spec.interpreter, their_control.fileno(), listen.fileno(), their_output, temporary)
        except BaseException:
            control.close()
            os.close(output)
            raise
        finally:
            their_control.close()
            os.close(their_output)
        await instance._attend(control, output)
        instance._control.send(Start(msgspec.msgpack.encode(spec)))
        return instance

    @property
    def pid(self) -> int:
        return self._process.pid

    async def loaded(self, timeout_s: float) -> Hello:
        """Its first word once the model is loaded.

        Raises:
            LoadError: it said that it can't, or took longer than `timeout_s`.
            InstanceExited: it died while loading.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.wait((self._hello, self._ended), return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError:
            raise LoadError(f"loading took longer than load_timeout_s, {timeout_s:g} seconds", permanent=False) from None
        if not self._hello.done():
            raise InstanceExited(self._how_it_ended())
        return self._hello.result()

    async def work(self, stall_timeout_s: float) -> None:
        """Return when the process has ended.

        Raises:
            Stalled: for `stall_timeout_s` it said nothing, or had work and made no progress.
        """
        while not await self._ends_before(self._well_at + stall_timeout_s):
            if not self._is_well(stall_timeout_s):
                # Where this process was stopped itself, what the instance said meanwhile lies unread for a moment.
                ended = await self._ends_before(self._loop.time() + UNREAD_S)
                if not ended and not self._is_well(stall_timeout_s):
                    raise Stalled(self._how_it_stalled(stall_timeout_s))

    def _is_well(self, stall_timeout_s: float) -> bool:
        return self._loop.time() < self._well_at + stall_timeout_s

    async def _ends_before(self, moment: float) -> bool:
        await asyncio.wait((self._ended,), timeout=max(0.0, moment - self._loop.time()))
        return self._ended.done()

    def follow(self, snapshots: AsyncGenerator[Snapshot, None]) -> None:
        """Tell it each of `snapshots`, for as long as it lives. While it reads slowly, it misses those between."""
        self._following = self._loop.create_task(self._pass_on(snapshots))

    async def has_heard(self, serial: int) -> None:
        """Return once it goes by the snapshot `serial` of those that it follows, or a later one; or once it has ended."""
        while self._heard < serial:
            await self._hearing.wait()

    def drain(self) -> None:
        """Ask it to take no new call, finish those in flight and exit with status 0."""
        self._control.send(Drain())

    def kill(self) -> None:
        """End it and all its children at once."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    async def end(self) -> str:
        """Kill it if it still lives, wait until it is gone, and say how it ended."""
        if not self._ended.done():
            self.kill()
        await asyncio.shield(self._ended)
        return self._how_it_ended()

    async def exited(self) -> int:
        """Its exit status, once it is gone; minus the signal's number if one ended it."""
        await asyncio.shield(self._ended)
        assert self._process.returncode is not None
        return self._process.returncode

    async def _attend(self, control: socket.socket, output: int) -> None:
        self._output.read_from(output)
        try:
            _, self._control = await self._loop.create_unix_connection(lambda: _PacedConnection(self), sock=control)
        except BaseException:
            self.kill()
            raise
        self._ended = asyncio.create_task(self._see_end())

    async def _pass_on(self, snapshots: AsyncGenerator[Snapshot, None]) -> None:
        async with contextlib.aclosing(snapshots):
            async for snapshot in snapshots:
                self._control.send(Repository(snapshot))
                await self._control.room()

    async def _see_end(self) -> None:
        await self._process.wait()
        if self._following is not None:
            self._following.cancel()
        self._hear(math.inf)
        # What an engine started must not outlive it.
        self.kill()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(HELD_OUTPUT_S):
                await self._output.ended.wait()
        self._control.close()

    def _hear(self, serial: float) -> None:
        self._heard = max(self._heard, serial)
        self._hearing.set()
        self._hearing = asyncio.Event()

    def _how_it_ended(self) -> str:
        status = self._process.returncode
        assert status is not None
        how = f"ended by {_signal_name(-status)}" if status < 0 else f"exited with status {status}"
        words = self._output.last_words
        return f"the process {how}; its last words: {words}" if words else f"the process {how}"

    def _how_it_stalled(self, stall_timeout_s: float) -> str:
        if self.load.running:
            return f"produced nothing for {stall_timeout_s:g} seconds with {self.load.running} requests in work"
        return f"gave no sign of life for {stall_timeout_s:g} seconds"

    # Peer of the control connection

    def on_frame(self, connection: Connection, frame: AnyFrame) -> None:
        match frame:
            case Load():
                if frame.running == 0 or frame.progress != self.load.progress:
                    self._well_at = self._loop.time()
                self.load = frame
            case Hello():
                self._well_at = self._loop.time()
                if not self._hello.done():
                    self._hello.set_result(frame)
            case Heard():
                self._hear(frame.serial)
            case LoadFailed():
                if not self._hello.done():
                    self._hello.set_exception(LoadError(frame.reason, permanent=frame.permanent))
            case _:
                log.warning("unexpected frame from %s: %s", self.name, type(frame).__name__)

    def on_closed(self, connection: Connection) -> None:
        pass


class _PacedConnection(Connection):
    """A connection whose sender can wait for its reader."""

    def __init__(self, peer: InstanceProcess) -> None:
        super().__init__(peer)
        self._room = asyncio.Event()
        self._room.set()

    async def room(self) -> None:
        """Wait while the peer leaves much unread."""
        await self._room.wait()

    def pause_writing(self) -> None:
        self._room.clear()

    def resume_writing(self) -> None:
        self._room.set()


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


async def _spawn(interpreter: str, control: int, listen: int, output: int, temporary: Path) -> asyncio.subprocess.Process:
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "TMPDIR": str(temporary)}
    if interpreter:
        # Its own packages, and jubako's code from here: nothing else of this interpreter's.
        environment["PYTHONPATH"] = str(_only_jubako(temporary))
        environment.pop("PYTHONHOME", None)
    return await asyncio.create_subprocess_exec(
        *(
            interpreter or sys.executable,
            "-m",
            "jubako.runner.instance",
            "--control-fd",
            str(control),
            "--listen-fd",
            str(listen),
        ),
        pass_fds=(control, listen),
        # A session of its own: the terminal's signals are for the runner, and a kill reaches the engine's children.
        start_new_session=True,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        env=environment,
    )


def _only_jubako(folder: Path) -> Path:
    """A folder in which this jubako can be imported and nothing else."""
    path = folder / "import"
    path.mkdir(exist_ok=True)
    with contextlib.suppress(FileExistsError):
        (path / "jubako").symlink_to(Path(jubako.__file__).parent, target_is_directory=True)
    return path
