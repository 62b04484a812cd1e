"""`bentoml serve services.gateway:Gateway`: the same server, started by BentoML's own command."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil

from jubako.paths import shipped
from tests.serving import Server, free_port
from tests.unit.cli.command import clean_environment


@contextmanager
def bentoml_serve(repository: Path, log: Path) -> Iterator[Server]:
    """A running server that was told everything by variables; stopped on leaving."""
    server = Server(repository, log, {}, port=free_port())
    settings = {"JUBAKO_REPOSITORY": str(repository), "JUBAKO_PORT": str(server.port), "JUBAKO_GRPC_PORT": str(free_port())}
    with log.open("ab") as out:
        server.process = subprocess.Popen(
            [sys.executable, "-m", "bentoml", "serve", "services.gateway:Gateway"],
            cwd=shipped("services").parent,
            env=clean_environment(BENTOML_DO_NOT_TRACK="true", **settings),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        server.wait_until(lambda: httpx.get(f"{server.url}/readyz").status_code == 200)
        yield server
    finally:
        server.kill()


def test_it_reads_the_same_settings_and_listens_on_this_machine_only(repository: Callable[..., Path], tmp_path: Path) -> None:
    with bentoml_serve(repository(echo="backend: echo"), tmp_path / "server.log") as server:
        body = {"model": "echo", "messages": [{"role": "user", "content": "Hello there"}]}
        answer = httpx.post(f"{server.api}/chat/completions", json=body)
        addresses = {
            connection.laddr.ip
            for connection in psutil.Process(server.pid).net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == server.port
        }
        assert answer.json()["choices"][0]["message"]["content"].strip() == "Hello there"
        assert addresses == {"127.0.0.1"}
        tree = server.tree()
        assert server.terminate() == 0
        _, alive = psutil.wait_procs(tree, timeout=20)
        assert not alive
