"""The whole server, with real processes: what it survives, and how it ends."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.conftest import ServerFactory
from tests.serving import Server

Repository = Callable[..., Path]

SLOW = "backend: echo\nengine: {slots: 1, token_delay_s: 0.05}\nlimits: {max_queue_size: 2}\n"
FAST = "backend: echo\n"
MANY_WORDS = " ".join(["word"] * 400)
"""What takes the slow model 20 seconds and more."""

ENDLESS = " ".join(["word"] * 4000)
"""What takes it longer than any test waits."""


def chat(model: str, content: str = "hello there", **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": content}], **more}


def post(server: Server, body: dict[str, Any], timeout: float = 60.0) -> httpx.Response:
    return httpx.post(f"{server.api}/chat/completions", json=body, timeout=timeout)


def metric(server: Server, name: str, **labels: str) -> float:
    """The sum of the samples of `name` that have these labels."""
    total = 0.0
    for line in httpx.get(f"{server.url}/metrics").text.splitlines():
        sample, _, value = line.rpartition(" ")
        if sample.partition("{")[0] == name and all(f'{key}="{label}"' in sample for key, label in labels.items()):
            total += float(value)
    return total


def open_stream(server: Server, body: dict[str, Any]) -> socket.socket:
    """A raw connection that has asked for a stream and read its first bytes."""
    raw = json.dumps({**body, "stream": True}).encode()
    connection = socket.create_connection(("127.0.0.1", server.port))
    connection.sendall(
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        b"content-length: %d\r\n\r\n%b" % (len(raw), raw)
    )
    connection.recv(1)
    return connection


@pytest.fixture
def server(make_server: ServerFactory, repository: Repository) -> Iterator[Server]:
    with make_server(repository(fast=FAST, slow=SLOW), JUBAKO_GRACE_PERIOD_S="10") as running:
        yield running


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    def lives(process: psutil.Process) -> bool:
        try:
            return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    return [process for process in processes if lives(process)]


def wait_for(condition: Callable[[], bool], timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s} s"
        time.sleep(0.02)


def kill_one(server: Server, victim: str) -> None:
    """Kill the one process of this kind, and wait until there is another and the server answers."""
    (process,) = getattr(server, victim)
    process.kill()
    wait_for(lambda: not alive([process]))
    server.wait_until(lambda: bool(getattr(server, victim)))
    server.wait_until(lambda: httpx.get(f"{server.url}/readyz").status_code == 200)
    server.wait_until(lambda: post(server, chat("fast")).status_code == 200)


def instance_of(server: Server, model: str) -> psutil.Process:
    """The process of `model`'s instance, from the control plane of the runner."""
    (runner,) = server.runners
    sockets = [str(connection.laddr) for connection in runner.net_connections("unix")]
    (control,) = {path for path in sockets if "bentoml-uds" in path}
    with httpx.Client(transport=httpx.HTTPTransport(uds=control)) as client:
        snapshot = client.get("http://runner/snapshot").json()
    (pid,) = [i["pid"] for v in snapshot["versions"] if v["model"] == model for i in v["instances"]]
    return psutil.Process(pid)


def test_an_instance_that_is_killed_is_replaced_and_others_do_not_notice(server: Server) -> None:
    stream = open_stream(server, chat("slow", MANY_WORDS))
    instance_of(server, "slow").kill()
    with stream, stream.makefile("rb") as lines:
        events = [line for line in lines if line.startswith(b"data: ")]
    error = json.loads(events[-1].removeprefix(b"data: "))["error"]
    assert error["code"] == "instance_lost"
    assert post(server, chat("fast")).status_code == 200
    server.wait_until(lambda: post(server, chat("slow")).status_code == 200)


def test_an_unstreamed_request_in_a_killed_instance_gets_a_503(server: Server) -> None:
    answers: list[httpx.Response] = []
    caller = threading.Thread(target=lambda: answers.append(post(server, chat("slow", MANY_WORDS))))
    caller.start()
    wait_for(lambda: metric(server, "jubako_requests_in_flight", model="slow") == 1)
    instance_of(server, "slow").kill()
    caller.join()
    assert answers[0].status_code == 503
    assert answers[0].json()["error"]["code"] == "instance_lost"
    assert "retry-after" in answers[0].headers


def test_a_queued_request_survives_the_death_of_its_instance(server: Server) -> None:
    running = open_stream(server, chat("slow", MANY_WORDS))
    answers: list[httpx.Response] = []
    caller = threading.Thread(target=lambda: answers.append(post(server, chat("slow", "after the crash"))))
    caller.start()
    wait_for(lambda: metric(server, "jubako_requests_queued", model="slow") == 1)
    instance_of(server, "slow").kill()
    caller.join()
    running.close()
    assert answers[0].status_code == 200
    assert answers[0].json()["choices"][0]["message"]["content"] == "after the crash"


def test_a_client_that_leaves_frees_its_slot(server: Server) -> None:
    for _ in range(3):
        stream = open_stream(server, chat("slow", ENDLESS))
        stream.close()
        # The only slot would be taken for minutes more.
        assert post(server, chat("slow", "next")).status_code == 200


def test_a_client_that_leaves_without_streaming_frees_its_slot(server: Server) -> None:
    with pytest.raises(httpx.ReadTimeout):
        post(server, chat("slow", ENDLESS), timeout=0.5)
    assert post(server, chat("slow", "next")).status_code == 200


def test_a_queued_client_that_leaves_frees_its_place(server: Server) -> None:
    with open_stream(server, chat("slow", ENDLESS)):
        for _ in range(5):
            with pytest.raises(httpx.ReadTimeout):
                post(server, chat("slow"), timeout=0.3)
            # There is room for two.
            wait_for(lambda: metric(server, "jubako_requests_queued", model="slow") == 0)


def test_overload_is_refused_with_429_and_loses_nothing(server: Server) -> None:
    statuses: list[int] = []
    callers = [
        threading.Thread(target=lambda: statuses.append(post(server, chat("slow", "one two three four")).status_code))
        for _ in range(12)
    ]
    with open_stream(server, chat("slow", ENDLESS)):
        for caller in callers:
            caller.start()
        # The only slot is taken, and two may wait.
        wait_for(lambda: len(statuses) == 10)
        assert set(statuses) == {429}
    for caller in callers:
        caller.join()
    assert statuses[10:] == [200, 200]
    assert post(server, chat("slow")).status_code == 200


def test_a_slow_reader_holds_up_nobody(make_server: ServerFactory, repository: Repository) -> None:
    root = repository(fast="backend: echo\nengine: {token_delay_s: 0.0005}\n")
    with make_server(root) as server, open_stream(server, chat("fast", " ".join(["word"] * 4000))) as stuck:
        for _ in range(20):
            assert post(server, chat("fast")).status_code == 200
        with stuck.makefile("rb") as lines:
            text = b"".join(lines)
        assert text.count(b'"content":"word') + text.count(b'"content":" word') == 4000


def test_sigterm_lets_requests_in_flight_finish(server: Server) -> None:
    processes = server.tree()
    with open_stream(server, chat("slow", " ".join(["word"] * 40))) as stream:
        assert server.process is not None
        server.process.send_signal(signal.SIGTERM)
        with stream.makefile("rb") as lines:
            text = b"".join(lines)
    assert b"data: [DONE]" in text
    assert server.process.wait(60) == 0
    wait_for(lambda: not alive(processes))


def test_sigterm_bounds_what_does_not_finish(make_server: ServerFactory, repository: Repository) -> None:
    server = make_server(repository(slow=SLOW), JUBAKO_GRACE_PERIOD_S="1")
    with server, open_stream(server, chat("slow", ENDLESS)) as stream:
        # The answer would take minutes more.
        assert server.terminate(60) == 0
        with stream.makefile("rb") as lines:
            text = b"".join(lines)
    assert b'"error"' in text
    assert b"[DONE]" not in text


def test_a_process_that_takes_no_signals_is_killed_in_the_end(make_server: ServerFactory, repository: Repository) -> None:
    with make_server(repository(fast="backend: echo"), JUBAKO_GRACE_PERIOD_S="1") as server:
        processes = server.tree()
        [gateway] = server.gateways
        gateway.suspend()
        assert server.terminate(60) == 0
        wait_for(lambda: not alive(processes))


@pytest.mark.parametrize("victim", ["runners", "gateways"])
def test_a_killed_runner_or_gateway_comes_back(server: Server, victim: str) -> None:
    before = server.instances
    kill_one(server, victim)
    if victim == "runners":
        wait_for(lambda: not alive(before))


@pytest.mark.parametrize("victim", ["runners", "gateways"])
def test_it_comes_back_in_a_container_too(make_server: ServerFactory, repository: Repository, victim: str) -> None:
    with make_server(repository(fast="backend: echo"), BENTOML_CONTAINERIZED="true") as server:
        kill_one(server, victim)


def test_a_killed_arbiter_leaves_no_orphan(server: Server) -> None:
    processes = server.tree()
    assert server.process is not None
    server.process.kill()
    server.process.wait()
    wait_for(lambda: not alive(processes))


def test_a_broken_entry_fails_alone(make_server: ServerFactory, repository: Repository) -> None:
    root = repository(fast=FAST, broken="backend: eco\n", crashing="backend: llama_cpp\nsource: file:/nowhere.gguf\n")
    with make_server(root) as server:
        assert post(server, chat("fast")).status_code == 200
        states = {model["id"]: model for model in httpx.get(f"{server.api}/models").json()["data"]}
        assert states["broken"]["state"] == "FAILED"
        assert "echo" in states["broken"]["reason"]
        assert states["crashing"]["state"] == "FAILED"
        refused = post(server, chat("crashing"))
        assert refused.status_code == 503
        assert refused.json()["error"]["code"] == "model_failed"


def test_several_instances_and_workers_share_the_work(make_server: ServerFactory, repository: Repository) -> None:
    root = repository(slow="backend: echo\ninstances: 2\nengine: {slots: 1, token_delay_s: 0.05}\n")
    with make_server(root, JUBAKO_WORKERS="2") as server:
        assert len(server.gateways) == 2
        with open_stream(server, chat("slow", MANY_WORDS)):
            # The other instance is free, whichever gateway takes the request.
            for _ in range(6):
                assert post(server, chat("slow"), timeout=15).status_code == 200
        for _ in range(10):
            assert metric(server, "jubako_requests_total", model="slow") == 7


def test_the_port_in_use_is_named(make_server: ServerFactory, repository: Repository, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = subprocess.run(
            [sys.executable, "-m", "jubako", "serve", str(repository(fast=FAST)), "--port", str(port), "--grpc-port", "0"],
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
    assert result.returncode != 0
    assert str(port) in result.stderr
    assert "Traceback" not in result.stderr
