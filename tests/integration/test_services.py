"""`bentoml serve services.BACKEND:svc --arg model=NAME --arg version=NUMBER`: one model, served by BentoML's own command."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from jubako.paths import shipped
from tests.integration.bentoml_serving import bentoml_serve
from tests.unit.cli.command import clean_environment

PROJECT = shipped("services").parent

CODE = """
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from jubako.model import Shape

Values = NDArray[np.int64]


class Model:
    def infer(self, a: Annotated[Values, Shape(-1)]) -> Annotated[Values, Shape(-1, name="b")]:
        return a * {factor}
"""


def states(url: str) -> dict[str, str]:
    """What `/readyz` says of each version that the server knows."""
    return {f"{each['model']}:{each['version']}": each["state"] for each in httpx.get(f"{url}/readyz").json()["models"]}


def test_a_chat_model_on_llama_cpp(tmp_path: Path) -> None:
    with bentoml_serve(
        ["services.llama_cpp:svc", "--arg", "model=smollm2", "--arg", "version=1"], PROJECT, tmp_path / "log"
    ) as server:
        body = {"model": "smollm2", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 4}
        answer = httpx.post(f"{server.api}/chat/completions", json=body, timeout=60)
        assert answer.status_code == 200, answer.text
        assert answer.json()["usage"]["completion_tokens"] == 4
        assert [name for name, state in states(server.url).items() if state == "READY"] == ["smollm2:1"]


def test_a_model_on_onnxruntime_though_its_entry_waits_to_be_asked_for(tmp_path: Path) -> None:
    with bentoml_serve(["services.onnx:svc", "--arg", "model=magika"], PROJECT, tmp_path / "log") as server:
        metadata = httpx.get(f"{server.url}/v2/models/magika").json()
        assert [tensor["datatype"] for tensor in metadata["inputs"]] == ["INT32"]
        assert [name for name, state in states(server.url).items() if state == "READY"] == ["magika:1"]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A Python model with two versions, of which its entry serves the second, and one beside it."""
    root = tmp_path / "models"
    for name, number in (("times", 1), ("times", 2), ("other", 1)):
        folder = root / name / str(number)
        folder.mkdir(parents=True)
        (folder / "model.py").write_text(CODE.format(factor=10 * number))
        (root / name / "model.yaml").write_text("backend: python\n")
    return root


def test_python_code_in_the_version_that_is_said(repository: Path, tmp_path: Path) -> None:
    arguments = ["services.python:svc", "--arg", "model=times", "--arg", "version=1"]
    with bentoml_serve(arguments, PROJECT, tmp_path / "log", JUBAKO_REPOSITORY=str(repository)) as server:
        tensor: dict[str, Any] = {"name": "a", "datatype": "INT64", "shape": [2], "data": [1, 2]}
        answer = httpx.post(f"{server.url}/v2/models/times/infer", json={"inputs": [tensor]}).json()
        assert (answer["model_version"], answer["outputs"][0]["data"]) == ("1", [10, 20])
        assert states(server.url) == {"times:1": "READY", "other:1": "UNLOADED"}
        # A load reads the entry again, and keeps to the version that was said.
        assert httpx.post(f"{server.url}/v2/repository/models/times/load", timeout=60).status_code == 200
        assert states(server.url) == {"times:1": "READY", "other:1": "UNLOADED"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["services.onnx:svc", "--arg", "model=times"], "times runs on python. Serve it with: bentoml serve services.python:svc"),
        (["services.python:svc", "--arg", "model=time"], "there is no such model"),
        (
            ["services.python:svc", "--arg", "model=times", "--arg", "version=3"],
            "version 3 of times, which has: 1, 2.",
        ),
        (["services.python:svc", "--arg", "modle=times"], "modle"),
    ],
)
def test_what_is_said_wrongly_is_said_in_a_sentence(repository: Path, arguments: list[str], message: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "bentoml", "serve", *arguments],
        cwd=PROJECT,
        env=clean_environment(BENTOML_DO_NOT_TRACK="true", JUBAKO_REPOSITORY=str(repository)),
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert ended.returncode == 1
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr
