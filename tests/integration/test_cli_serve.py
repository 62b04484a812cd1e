"""`jubako serve` as a person meets it: what it says, and how it ends."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
import psutil
import pytest

from tests.conftest import ServerFactory
from tests.serving import Server, free_port
from tests.unit.cli.command import clean_environment, jubako

Repository = Callable[..., Path]

READY = "listens on"
PATIENCE_S = 60.0


@pytest.fixture
def echo(repository: Repository) -> Path:
    return repository(echo="backend: echo")


@pytest.fixture
def empty_hub() -> Iterator[str]:
    """The address of a hub that has no model at all."""

    class Nothing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(404)

        def do_HEAD(self) -> None:
            self.do_GET()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's name
            """Tests read no log."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Nothing) as hub:
        thread = Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{hub.server_port}"
        hub.shutdown()
        thread.join()


class Running:
    """A `jubako serve` with its output to read line by line."""

    def __init__(self, *arguments: str | Path, **variables: str) -> None:
        self.port = free_port()
        # The last of two --port wins, so that a test may give its own.
        command = [sys.executable, "-m", "jubako", "serve", "--port", str(self.port), "--grpc-port", "0", *map(str, arguments)]
        self.process = subprocess.Popen(
            command,
            env=clean_environment(**variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.text = ""

    def read_until(self, word: str) -> str:
        """The output so far, once `word` is in it; the test's own timeout bounds the wait."""
        assert self.process.stdout
        while word not in self.text:
            line = self.process.stdout.readline()
            assert line, f"the server ended without saying {word!r}:\n{self.text}"
            self.text += line
        return self.text

    def end(self, signum: signal.Signals) -> int:
        self.process.send_signal(signum)
        assert self.process.stdout
        self.text += self.process.stdout.read()
        return self.process.wait(PATIENCE_S)


@pytest.fixture
def serve() -> Iterator[Callable[..., Running]]:
    started: list[Running] = []

    def start(*arguments: str | Path, **variables: str) -> Running:
        started.append(Running(*arguments, **variables))
        return started[-1]

    yield start
    for running in started:
        if running.process.poll() is None:
            running.end(signal.SIGTERM)
        if running.process.stdout:
            running.process.stdout.close()


def test_the_banner_says_where_which_and_how(serve: Callable[..., Running], repository: Repository) -> None:
    running = serve(repository(echo="backend: echo\ntasks: [chat]", odd="backend: ecoh"))
    text = running.read_until("Ctrl-C")
    assert f"listens on http://127.0.0.1:{running.port}" in text
    assert "Did you mean `echo`?" in text
    rows = [line.split() for line in text.splitlines()]
    assert ["echo", "1", "echo", "chat", "READY"] in rows
    assert ["odd", "FAILED"] in rows
    assert "odd failed: " in text
    assert f"jubako chat echo --url http://127.0.0.1:{running.port}" in text
    curl = next(line.partition("curl ")[2] for line in text.splitlines() if "curl" in line)
    answer = subprocess.run(f"curl --silent {curl}", shell=True, capture_output=True, text=True, check=True)
    assert json.loads(answer.stdout)["choices"][0]["message"]["content"].strip() == "Say hello."


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_with_status_0_and_without_a_traceback(signum: signal.Signals, serve: Callable[..., Running], echo: Path) -> None:
    running = serve(echo)
    running.read_until(READY)
    children = psutil.Process(running.process.pid).children(recursive=True)
    assert running.end(signum) == 0
    assert "Traceback" not in running.text
    assert "BentoServer" not in running.text
    _, alive = psutil.wait_procs(children, timeout=60)
    assert not alive


def test_it_ends_quickly_and_quietly_while_it_starts(serve: Callable[..., Running], echo: Path) -> None:
    running = serve(echo)
    with httpx.Client(transport=httpx.HTTPTransport(retries=20), timeout=PATIENCE_S) as client:
        client.get(f"http://127.0.0.1:{running.port}/livez")
    assert running.end(signal.SIGTERM) == 0
    assert "Traceback" not in running.text


def test_a_host_name_will_do(serve: Callable[..., Running], echo: Path) -> None:
    running = serve(echo, "--host", "localhost")
    assert f"http://localhost:{running.port}" in running.read_until(READY)
    assert httpx.get(f"http://127.0.0.1:{running.port}/livez").status_code == 200


def test_settings_reach_the_server(make_server: ServerFactory, echo: Path) -> None:
    with make_server(echo, JUBAKO_MAX_BODY_BYTES="2048") as server:
        answer = httpx.post(f"{server.url}/v1/completions", content=b" " * 4096, headers={"content-type": "application/json"})
    assert answer.status_code == 413


def test_weights_that_cannot_be_fetched_do_not_keep_the_others_from_being_served(
    serve: Callable[..., Running], repository: Repository, empty_hub: str
) -> None:
    missing = "backend: llama_cpp\nsource: hf://nobody/nothing@main/none.gguf"
    running = serve(repository(echo="backend: echo", missing=missing), HF_ENDPOINT=empty_hub)
    text = running.read_until("Ctrl-C")
    assert "error: missing: " in text
    assert "nobody/nothing" in text
    assert "missing failed: " in text
    assert httpx.get(f"http://127.0.0.1:{running.port}/readyz").status_code == 200


def test_a_folder_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    ran = jubako("serve", tmp_path / "none", "--port", "0")
    assert ran.returncode == 1
    assert ran.stderr.startswith(f"error: There is no model repository at {tmp_path / 'none'}.")


def test_a_second_server_on_the_port_is_refused_and_the_first_goes_on(make_server: ServerFactory, echo: Path) -> None:
    with make_server(echo) as server:
        ran = jubako("serve", echo, "--port", str(server.port))
        assert ran.returncode == 1
        assert f"Port {server.port} on 127.0.0.1 is in use." in ran.stderr
        assert httpx.get(f"{server.url}/readyz").status_code == 200


def test_it_listens_on_its_two_ports_of_this_machine_only(make_server: ServerFactory, echo: Path) -> None:
    with make_server(echo) as server:
        processes = [psutil.Process(server.pid), *server.runners, *server.gateways, *server.instances]
        places = {
            tuple(connection.laddr)
            for process in processes
            for connection in process.net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN
        }
    assert places == {("127.0.0.1", server.port), ("127.0.0.1", server.grpc_port)}


def test_chat_with_the_real_model(server: Server) -> None:
    ran = jubako("chat", "smollm2", "-m", "Say hello.", "--url", server.url)
    assert ran.returncode == 0, ran.stderr
    assert len(ran.stdout.split()) > 1


def test_the_port_may_be_any_free_one(serve: Callable[..., Running], echo: Path) -> None:
    running = serve(echo, "--port", "0")
    text = running.read_until(READY)
    port = int(text.partition("127.0.0.1:")[2].split(",")[0])
    assert port
    with socket.create_connection(("127.0.0.1", port)):
        pass
