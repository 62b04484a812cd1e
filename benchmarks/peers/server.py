"""A running server, with what it uses."""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import grpc
import psutil

from benchmarks.peers.declaration import Launch, Peer
from benchmarks.peers.places import Places
from benchmarks.peers.requests import GRPC_METHOD, FrontName, Request
from benchmarks.peers.workloads import Workload
from benchmarks.served import free_port

PATIENCE_S = 90.0
ASK_AGAIN_S = 0.02
STOP_S = 15.0
FRAME = 5

BytesCall: TypeAlias = "grpc.UnaryUnaryMultiCallable[bytes, bytes]"
"""A method whose messages are neither encoded nor decoded."""


@dataclass(frozen=True)
class Memory:
    """Of all processes together, in MiB: `rss` counts what they share more than once, `pss` once."""

    rss_mib: int
    pss_mib: int
    processes: int


class NotReady(Exception):
    """The server ended, or did not answer in time; the message has the end of its log."""


class Server:
    """One server of one model.

    Attributes:
        ready_s: Seconds from starting it to the first answer of the model at every front.
    """

    def __init__(self, peer: Peer, launch: Launch, cores: set[int] | None, environment: Mapping[str, str]) -> None:
        self.peer = peer
        self.workload = launch.workload
        self.ready_s = 0.0
        self._launch = launch
        self._log = launch.places.log(f"server-{peer.name}")
        command = peer.command(launch)
        pinned = ["taskset", "--cpu-list", ",".join(map(str, sorted(cores)))] if cores else []
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("JUBAKO_")}
        self._begun = time.monotonic()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*pinned, *command.words],
                cwd=command.folder,
                env={**inherited, "OMP_NUM_THREADS": "1", **command.environment, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._seen: dict[int, psutil.Process] = {}

    @property
    def pid(self) -> int:
        return self._process.pid

    def port(self, front: FrontName) -> int:
        return self._launch.grpc_port if front == "grpc" else self._launch.http_port

    def request(self, front: FrontName) -> Request:
        return self.peer.fronts[front](self.workload)

    def wait_until_ready(self) -> None:
        """
        Raises:
            NotReady: it ended, or did not answer within 90 s.
        """
        for front in self.peer.fronts:
            while (reason := self._why_not(front)) is not None:
                if self._process.poll() is not None or time.monotonic() - self._begun > PATIENCE_S:
                    said = f"{self.peer.name} does not answer over {front}: {reason}. The end of its log, {self._log}:"
                    raise NotReady(f"{said}\n{self._end_of_log()}")
                time.sleep(ASK_AGAIN_S)
        self.ready_s = time.monotonic() - self._begun
        self.processes()

    def ask(self, front: FrontName) -> bytes:
        """The answer to one request, over gRPC with its frame.

        Raises:
            OSError, http.client.HTTPException, grpc.RpcError: there is none, or it is an error.
        """
        request = self.request(front)
        if front == "grpc":
            with grpc.insecure_channel(f"127.0.0.1:{self.port(front)}") as channel:
                infer: BytesCall = channel.unary_unary(GRPC_METHOD)
                message = infer(request.body[FRAME:], timeout=10)
                return request.body[:FRAME] + message
        status, body = self.post(request, 10)
        if status != 200:
            raise ConnectionError(f"status {status}: {body[:300]!r}")
        return body

    def post(self, request: Request, timeout_s: float) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port("http"), timeout=timeout_s)
        try:
            connection.request("POST", request.path, request.body, request.headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def processes(self) -> list[psutil.Process]:
        """All that belong to it, outermost first; those that lost their parent are still known by having been seen."""
        with suppress(psutil.NoSuchProcess):
            root = psutil.Process(self.pid)
            self._seen |= {process.pid: process for process in (root, *root.children(recursive=True))}
        return [process for process in self._seen.values() if _is_alive(process)]

    def memory(self) -> Memory:
        rss = pss = count = 0
        for process in self.processes():
            with suppress(psutil.Error):
                used = process.memory_full_info()
                rss, pss, count = rss + used.rss, pss + used.pss, count + 1
        return Memory(round(rss / 2**20), round(pss / 2**20), count)

    def processor_s(self) -> float:
        """Processor time that it has used so far."""
        total = 0.0
        for process in self.processes():
            with suppress(psutil.Error):
                times = process.cpu_times()
                total += times.user + times.system
        return total

    def terminate(self) -> None:
        """Ask it to end, and leave it to it."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)

    def wait(self, timeout_s: float) -> int | None:
        """Its exit status; None if it still runs then."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def stop(self) -> None:
        self.processes()
        self.terminate()
        self.wait(STOP_S)
        for process in self.processes():
            with suppress(psutil.Error):
                process.kill()
        self.wait(STOP_S)

    def _why_not(self, front: FrontName) -> str | None:
        try:
            self.ask(front)
        except (OSError, http.client.HTTPException, grpc.RpcError) as error:
            return repr(error)
        return None

    def _end_of_log(self) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-20:])


@contextmanager
def serving(
    peer: Peer,
    workload: Workload,
    places: Places,
    *,
    cores: set[int] | None,
    copies: int = 1,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """A server that answers, confined to `cores` if given.

    Raises:
        NotReady: it does not start.
    """
    folder = Path(tempfile.mkdtemp(prefix="jubako-peers-"))
    launch = Launch(workload, copies, free_port(), free_port(), free_port(), folder, places)
    server = Server(peer, launch, cores, environment or {})
    try:
        server.wait_until_ready()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
