"""What a server makes of wrong requests, of clients that leave, and of SIGTERM in the middle of its work."""

from __future__ import annotations

import http.client
import json
import os
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.peers.declaration import Peer
from benchmarks.peers.experiments.base import Experiment, Options, Point
from benchmarks.peers.journal import Value
from benchmarks.peers.requests import Request
from benchmarks.peers.server import Server

SLEEP_S = 1.0
APART_S = 0.2
ANSWER_LETTERS = 260
LARGE_BODY = 100 * 2**20
END_WITHIN_S = 40.0


@dataclass
class BadInput(Experiment):
    """Over HTTP with JSON, at a model that takes a second a call."""

    name = "inputs"
    title = "Wrong requests, clients that leave, SIGTERM"
    workloads = ("W2",)
    pinned = False
    repeated = False
    _calls: Path = field(default_factory=lambda: Path(tempfile.gettempdir()) / f"jubako-peers-calls-{os.getpid()}")

    def environment(self) -> Mapping[str, str]:
        return {"SLEEP_S": str(SLEEP_S), "CALLS_FILE": str(self._calls)}

    def points(self, peer: Peer, options: Options) -> Iterator[Point]:
        if "http" in peer.fronts:
            yield Point("http", "wrong")

    def measure(self, server: Server, point: Point, options: Options) -> dict[str, Value]:
        try:
            good = server.request("http")
            found: dict[str, Value] = {what: _answer(server, wrong) for what, wrong in _wrong_requests(good).items()}
            found["after all that"] = _answer(server, good)
            found["clients that leave"] = self._leave(server, good)
            found["SIGTERM"] = _end(server, good)
            return {"found": found}
        finally:
            self._calls.unlink(missing_ok=True)

    def _leave(self, server: Server, request: Request) -> str:
        """One request is running and two wait; then all three clients are gone."""
        self._calls.write_text("")
        clients = []
        for _ in range(3):
            clients.append(_begin(server.port("http"), request))
            time.sleep(APART_S)
        for client in clients:
            client.close()
        time.sleep(3 * SLEEP_S)
        rows = self._calls.read_text().split()
        return f"the model was called {len(rows)} times, with {' and '.join(rows) or 'no'} rows; then {_answer(server, request)}"


def _wrong_requests(good: Request) -> dict[str, Request]:
    body = json.loads(good.body)
    changes = _wrong_v2() if "inputs" in body else _wrong_rows(next(iter(body)))
    wrong = {}
    for what, change in changes.items():
        changed = json.loads(good.body)
        change(changed)
        wrong[what] = replace(good, body=json.dumps(changed).encode())
    wrong["invalid JSON"] = replace(good, body=b'{"x": [[1, 2,')
    wrong["100 MiB of spaces in JSON"] = replace(good, body=good.body[:-1] + b" " * LARGE_BODY + good.body[-1:])
    wrong["unknown model"] = replace(good, path=good.path.replace("sleep", "nope"))
    return wrong


Change = Callable[[dict[str, list[dict[str, object]]]], None]


def _wrong_v2() -> dict[str, Change]:
    return {
        "wrong shape": lambda body: body["inputs"][0].update(shape=[1, 7], data=[0.0] * 7),
        "shape and data differ": lambda body: body["inputs"][0].update(data=[0.0] * 7),
        "huge shape": lambda body: body["inputs"][0].update(shape=[2**62, 16]),
        "negative shape": lambda body: body["inputs"][0].update(shape=[-1, 16]),
        "wrong datatype": lambda body: body["inputs"][0].update(datatype="INT64", data=[1] * 16),
        "strings for numbers": lambda body: body["inputs"][0].update(data=["a"] * 16),
        "missing input": lambda body: body["inputs"].clear(),
        "extra input": lambda body: body["inputs"].append({**body["inputs"][0], "name": "OTHER"}),
    }


def _wrong_rows(key: str) -> dict[str, Change]:
    def rows(value: object) -> Change:
        return lambda body: body.update({key: value})  # type: ignore[dict-item]  # wrong on purpose

    return {
        "wrong shape": rows([[0.0] * 7]),
        "ragged rows": rows([[0.0] * 16, [0.0] * 7]),
        "strings for numbers": rows([["a"] * 16]),
        "missing input": lambda body: body.clear(),
    }


def _answer(server: Server, request: Request, timeout_s: float = 20.0) -> str:
    """Its status, how it begins, how long it took; or what happened instead."""
    begun = time.monotonic()
    try:
        status, body = server.post(request, timeout_s)
    except (OSError, http.client.HTTPException) as error:
        return f"{type(error).__name__} after {time.monotonic() - begun:.1f} s"
    text = "" if status == 200 else f" {body[:ANSWER_LETTERS].decode(errors='replace')}"
    return f"{status} after {time.monotonic() - begun:.1f} s{text}"


def _begin(port: int, request: Request) -> socket.socket:
    """Send a request and wait for nothing."""
    client = socket.create_connection(("127.0.0.1", port))
    headers = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
    head = f"POST {request.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(request.body)}\r\n{headers}\r\n"
    client.sendall(head.encode() + request.body)
    return client


def _end(server: Server, request: Request) -> dict[str, Value]:
    """SIGTERM while one request runs and another waits."""
    found: dict[str, Value] = {}

    def ask(who: str) -> None:
        found[who] = _answer(server, request, 15.0)

    clients = []
    for who in ("the running request", "the waiting request"):
        client = threading.Thread(target=ask, args=(who,))
        client.start()
        clients.append(client)
        time.sleep(APART_S)
    begun = time.monotonic()
    server.terminate()
    time.sleep(APART_S)
    ask("a new connection")
    for client in clients:
        client.join()
    status = server.wait(END_WITHIN_S)
    took = time.monotonic() - begun
    time.sleep(APART_S)
    ended = f"status {status} after {took:.1f} s" if status is not None else f"still running after {took:.0f} s"
    return {**found, "the server": f"{ended}, {len(server.processes())} processes left"}
