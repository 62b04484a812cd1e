"""The program of one instance: one loaded copy of one version of a model, alone in its process.

``python -m jubako.runner.instance --control-fd N --listen-fd M``

The runner starts it with two sockets. Over *control*, one end of a socket pair, it is told what to load and when to leave, and
it says each second that it lives; when the other end goes, it goes too. On *listen*, a Unix socket that is bound already, it
serves gateways once the model is loaded. It decides nothing: signals that a whole process tree receives are ignored, and the
runner, which receives them as well, says what is to be done.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import importlib
import logging
import os
import resource
import signal
import socket
import sys
from collections.abc import Coroutine
from pathlib import Path
from types import FrameType
from typing import NoReturn

import msgspec

from jubako.backends.base import Backend, ModelSpec
from jubako.backends.declarations import BACKENDS
from jubako.channel.connection import Connection
from jubako.channel.frames import AnyFrame, Drain, Heard, Hello, Load, LoadFailed, Repository, Start
from jubako.channel.server import ChannelServer
from jubako.errors import ConfigurationError
from jubako.messages import ModelInfo
from jubako.process import die_with_parent
from jubako.routing.fleet import Fleet
from jubako.runner.answering import Answers
from jubako.runner.other_models import RoutedModels, SnapshotFeed

log = logging.getLogger(__name__)

GC_THRESHOLD = 20_000
"""New objects before the garbage collector looks at the youngest."""

HEARTBEAT_S = 1.0
"""Time between two words to the runner. A fact of life, not of work: a process that can't say it is stopped or stuck."""


class Instance:
    """One instance, from its first word to its exit."""

    def __init__(self, control: socket.socket, listen: socket.socket) -> None:
        self._control_socket = control
        self._listen_socket = listen
        self._control: Connection
        self._backend: Backend | None = None
        self._loaded = False
        self._leaving = False
        self._spec: asyncio.Future[ModelSpec] = asyncio.get_running_loop().create_future()
        self._repository = SnapshotFeed(lambda serial: self._control.send(Heard(serial)))
        self._drain = asyncio.Event()
        self._runner_gone = asyncio.Event()

    async def run(self) -> int:
        """Load, serve, drain. Returns the exit status."""
        await self._meet_runner()
        heartbeat = asyncio.create_task(self._say_alive())
        spec = await self._spec
        try:
            info = await self._load(spec)
        except Exception as error:
            await self._give_up(_load_failure(spec, error))
            return 1
        await self._serve(spec, info)
        heartbeat.cancel()
        return 0

    async def _meet_runner(self) -> None:
        loop = asyncio.get_running_loop()
        _, self._control = await loop.create_unix_connection(lambda: Connection(self), sock=self._control_socket)

    async def _say_alive(self) -> None:
        while True:
            self._control.send(self._load_with_memory())
            await asyncio.sleep(HEARTBEAT_S)

    async def _load(self, spec: ModelSpec) -> ModelInfo:
        backend_class = _import_backend(spec.implementation)
        self._backend = backend_class(spec)
        if _calls_models(spec):
            fleet = Fleet(self._repository.watch)
            fleet.start()
            self._backend.others = RoutedModels(fleet)
        info = await self._backend.load()
        # Engines install handlers of their own while they load.
        _leave_signals_to_the_runner()
        # What is loaded stays: no collection needs to look at it again.
        gc.collect()
        gc.freeze()
        # And what a request leaves is freed without it: it may look a little less often than at each 700 new objects.
        gc.set_threshold(GC_THRESHOLD)
        self._loaded = True
        return info

    async def _give_up(self, failure: LoadFailed) -> None:
        self._leaving = True
        self._control.send(failure)
        self._control.close()
        await self._runner_gone.wait()

    async def _serve(self, spec: ModelSpec, info: ModelInfo) -> None:
        assert self._backend is not None
        hello = Hello(spec.model, spec.version, info)
        server = ChannelServer(Answers(self._backend, info.signature), self._backend.current_load)

        def greet() -> Connection:
            connection = server.connect()
            connection.send(hello)
            return connection

        listening = await asyncio.get_running_loop().create_unix_server(greet, sock=self._listen_socket)
        self._control.send(hello)
        await self._drain.wait()
        listening.close()
        await server.drain()
        await self._backend.close()

    def _load_with_memory(self) -> Load:
        if self._backend is None or not self._loaded:
            return Load(running=0, queued=0, capacity=1, progress=0, rss_bytes=_resident_bytes())
        return msgspec.structs.replace(self._backend.current_load(), rss_bytes=_resident_bytes())

    # Peer of the runner's connection

    def on_frame(self, connection: Connection, frame: AnyFrame) -> None:
        match frame:
            case Start():
                self._spec.set_result(msgspec.msgpack.decode(frame.spec, type=ModelSpec))
            case Repository():
                self._repository.put(frame.snapshot)
            case Drain():
                self._drain.set()
            case _:
                log.warning("unexpected frame from the runner: %s", type(frame).__name__)

    def on_closed(self, connection: Connection) -> None:
        self._runner_gone.set()
        if not self._leaving:
            # The runner died: nobody would watch, restart or stop this process any more.
            _leave(1)


def _import_backend(implementation: str) -> type[Backend]:
    """The class that ``package.module:Class`` names."""
    module_name, _, class_name = implementation.partition(":")
    backend: type[Backend] | None = getattr(importlib.import_module(module_name), class_name, None)
    if backend is None:
        raise ConfigurationError(f"The module {module_name} has no backend {class_name!r}.")
    return backend


def _calls_models(spec: ModelSpec) -> bool:
    return any(each.implementation == spec.implementation and each.calls_models for each in BACKENDS.values())


def _load_failure(spec: ModelSpec, error: Exception) -> LoadFailed:
    match error:
        case ConfigurationError():
            return LoadFailed(error.message, permanent=True)
        case ImportError():
            return LoadFailed(_why_not_importable(spec.implementation, error), permanent=True)
        case _:
            log.error("loading failed", exc_info=error)
            return LoadFailed(f"{type(error).__name__}: {error}", permanent=False)


def _why_not_importable(implementation: str, error: ImportError) -> str:
    """What is missing, with the command that would help if it is the engine."""
    missing = (error.name or "").partition(".")[0]
    for declaration in BACKENDS.values():
        if declaration.implementation == implementation and missing in declaration.modules:
            other = (
                f', or install it beside the server with: pip install "jubako[{declaration.extra}]"' if declaration.extra else ""
            )
            return (
                f"The backend {declaration.name} needs the module {missing!r}, which can't be imported ({error}). "
                f"Make an environment for it with: jubako env create {declaration.name}{other}"
            )
    return f"The backend {implementation!r} can't be imported: {error}."


def _resident_bytes() -> int:
    with contextlib.suppress(OSError):
        return int(Path("/proc/self/statm").read_bytes().split()[1]) * resource.getpagesize()
    return 0


def _leave_signals_to_the_runner() -> None:
    # A handler that does nothing, and not SIG_IGN, which an engine's own child processes would inherit.
    def ignore(signum: int, frame: FrameType | None) -> None:
        pass

    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, ignore)


def _leave(status: int) -> NoReturn:
    """End now, whatever threads an engine may still run."""
    logging.shutdown()
    sys.stdout.flush()
    os._exit(status)


def _run(main: Coroutine[None, None, None]) -> None:
    try:
        import uvloop  # noqa: PLC0415 - optional: an instance may run under an interpreter that lacks it
    except ImportError:
        asyncio.run(main)
    else:
        uvloop.run(main)


async def _live(control_fd: int, listen_fd: int) -> None:
    status = 1
    try:
        status = await Instance(socket.socket(fileno=control_fd), socket.socket(fileno=listen_fd)).run()
    except Exception:
        log.exception("the instance failed")
    finally:
        # Left from inside the loop: its own end would wait for threads that an engine never ends.
        _leave(status)


def main() -> None:
    parser = argparse.ArgumentParser(prog="jubako.runner.instance", description="One instance; started by the runner.")
    parser.add_argument("--control-fd", type=int, required=True, help="one end of the runner's socket pair")
    parser.add_argument("--listen-fd", type=int, required=True, help="a bound Unix socket for gateways")
    arguments = parser.parse_args()
    # For when this interpreter hangs; otherwise the end of the control connection comes first.
    die_with_parent(signal.SIGKILL)
    _leave_signals_to_the_runner()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    _run(_live(arguments.control_fd, arguments.listen_fd))


if __name__ == "__main__":
    main()
