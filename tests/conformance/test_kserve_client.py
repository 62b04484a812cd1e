"""KServe's own Python client, unchanged, against a real server, over HTTP and gRPC.

It runs in an environment of its own: its messages have the names of those of tritonclient, and it brings a hundred packages.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.serving import Server

CALLS = Path(__file__).with_name("kserve_calls.py")
DOUBLED = [[[2.0, 5.0, -6.0]]]


@pytest.fixture(scope="module")
def found(kserve_python: Path, tensor_server: Server) -> dict[str, Any]:
    """What the client got."""
    command = [str(kserve_python), str(CALLS), tensor_server.url, f"127.0.0.1:{tensor_server.grpc_port}"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert ran.returncode == 0, ran.stderr
    answers: dict[str, Any] = json.loads(ran.stdout)
    return answers


def test_over_http(found: dict[str, Any]) -> None:
    http = found["http"]
    assert (http["live"], http["ready"], http["model"]) == (True, True, True)
    for form in ("json", "binary"):
        assert (http[form]["id"], http[form]["values"]) == ("seven", DOUBLED)
    assert "The model 'nobody' does not exist." in http["error"]


def test_over_grpc(found: dict[str, Any]) -> None:
    grpc = found["grpc"]
    assert (grpc["live"], grpc["ready"], grpc["model"]) == (True, True, True)
    for form in ("raw", "typed"):
        assert grpc[form] == {"id": "seven", "version": "2", "values": DOUBLED}
    assert "The model 'nobody' does not exist." in grpc["error"]
