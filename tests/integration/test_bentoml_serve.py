"""`bentoml serve services.gateway:svc`: the same server, started by BentoML's own command."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import psutil

from jubako.paths import shipped
from tests.integration.bentoml_serving import bentoml_serve
from tests.serving import free_port


def test_it_reads_the_same_settings_and_listens_on_this_machine_only(repository: Callable[..., Path], tmp_path: Path) -> None:
    models, project = str(repository(echo="backend: echo")), shipped("services").parent
    with bentoml_serve(["services.gateway:svc"], project, tmp_path / "server.log", JUBAKO_REPOSITORY=models) as server:
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
        _, alive = psutil.wait_procs(tree, timeout=60)
        assert not alive


def test_its_flags_say_where_all_of_it_listens(repository: Callable[..., Path], tmp_path: Path) -> None:
    arguments = ["services.gateway:svc", "--host", "0.0.0.0", "--port", str(port := free_port())]
    models, project = str(repository(echo="backend: echo")), shipped("services").parent
    with bentoml_serve(arguments, project, tmp_path / "server.log", JUBAKO_REPOSITORY=models) as server:
        listening = psutil.Process(server.pid).net_connections("tcp")
        for process in server.tree():
            listening += process.net_connections("tcp")
        found = {(each.laddr.ip, each.laddr.port) for each in listening if each.status == psutil.CONN_LISTEN}
        assert {("0.0.0.0", port), ("0.0.0.0", server.grpc_port)} <= found
        assert f"listens on 0.0.0.0 and asks nobody for a key: whoever reaches port {port}" in server.log.read_text()
        shared = {"key": "/anything", "offset": 0, "byte_size": 4}
        refused = httpx.post(f"{server.url}/v2/systemsharedmemory/region/anything/register", json=shared)
        assert refused.status_code == 403, refused.text
