"""`jubako ls`, `pull`, `check` and `schema` as processes, on repositories of the test's own."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.weight_server import ServedFile, WeightServer

CONTENT = b"weights" * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()

Jubako = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def server() -> Iterator[WeightServer]:
    with WeightServer() as running:
        running.files["/w.gguf"] = ServedFile(CONTENT)
        yield running


@pytest.fixture
def models(tmp_path: Path, server: WeightServer) -> Path:
    entry = tmp_path / "models" / "m"
    (entry / "1").mkdir(parents=True)
    (entry / "2").mkdir()
    (entry / "model.yaml").write_text(f"backend: llama_cpp\nsource: {server.url}/w.gguf\nserved_names: ['m:1b', 'org/M']\n")
    (entry / "1" / "version.yaml").write_text(f"sha256: {DIGEST}\n")
    return tmp_path / "models"


@pytest.fixture
def jubako(tmp_path: Path, models: Path) -> Jubako:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("JUBAKO_")},
        "JUBAKO_CACHE_DIR": str(tmp_path / "cache"),
        "JUBAKO_REPOSITORY": str(models),
        "COLUMNS": "200",
    }

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "jubako", *arguments]
        return subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False)

    return run


def test_pull_fetches_once_and_ls_shows_it(jubako: Jubako, server: WeightServer) -> None:
    before = jubako("ls", "--json")
    assert [(model["version"], model["fetched"]) for model in json.loads(before.stdout)["models"]] == [(1, False), (2, False)]
    for name in ("m", "m:1", "m:2", "m:1b", "org/M", "org/M:2", "m:1b:1"):
        pulled = jubako("pull", name)
        assert (pulled.returncode, pulled.stdout.endswith("w.gguf\n")) == (0, True), pulled.stderr
    assert len(server.seen) == 1
    after = json.loads(jubako("ls", "--json").stdout)["models"]
    assert [(model["fetched"], model["bytes"]) for model in after] == [(True, len(CONTENT))] * 2
    table = jubako("ls").stdout
    assert "6.8 KiB" in table
    assert "m:1b, org/M" in table


def test_pull_says_what_it_does_in_plain_lines_on_stderr(jubako: Jubako) -> None:
    pulled = jubako("pull", "m")
    assert "w.gguf: 6.8 KiB\n" in pulled.stderr
    assert "w.gguf: 100 %\n" in pulled.stderr
    assert "\x1b" not in pulled.stderr + pulled.stdout


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["mm"], 1, "There is no model 'mm' in"),
        (["m:7"], 1, "m has no version 7; it has: 1, 2."),
        ([], 2, "Name one model"),
        (["m", "--all"], 2, "Name one model"),
        (["m", "--repository", "nowhere"], 1, "There is no model repository at"),
    ],
)
def test_pull_of_nothing_says_why(arguments: list[str], status: int, message: str, jubako: Jubako) -> None:
    pulled = jubako("pull", *arguments)
    assert pulled.returncode == status
    assert message in pulled.stderr
    assert "Traceback" not in pulled.stderr


def test_a_bad_entry_does_not_keep_the_good_ones_from_being_pulled(jubako: Jubako, models: Path) -> None:
    (models / "bad").mkdir()
    (models / "bad" / "model.yaml").write_text("backend: nope\n")
    every = jubako("pull", "--all")
    assert every.returncode == 1
    assert "m:2" in every.stdout
    assert "bad is broken (2 problems)" in every.stderr
    one = jubako("pull", "bad")
    assert "models/bad/model.yaml:1: There is no backend 'nope'." in one.stderr
    assert jubako("ls").returncode == 0


def test_pull_reports_a_wrong_digest(jubako: Jubako, models: Path) -> None:
    (models / "m" / "1" / "version.yaml").write_text(f"sha256: {'ab' * 32}\n")
    pulled = jubako("pull", "m:1")
    assert pulled.returncode == 1
    assert DIGEST in pulled.stderr
    assert "ab" * 32 in pulled.stderr


def test_check_shows_every_problem_and_fails(jubako: Jubako, models: Path) -> None:
    unpinned = models / "m" / "2" / "version.yaml"
    unpinned.write_text(f"sha256: {DIGEST}\n")
    good = jubako("check")
    assert (good.returncode, good.stdout) == (0, "")
    unpinned.unlink()
    (models / "m" / "model.yaml").write_text("backend: llama_cpp\nx: 1\ny: 2\n")
    bad = jubako("check", str(models))
    assert bad.returncode == 1
    lines = bad.stdout.splitlines()
    assert [line.partition(": ")[0] for line in lines] == [
        "models/m/1/version.yaml:1",
        "models/m/model.yaml:1",
        "models/m/model.yaml:2",
        "models/m/model.yaml:3",
    ]
    listed = jubako("check", "--json")
    assert listed.returncode == 1
    assert [problem["line"] for problem in json.loads(listed.stdout)] == [1, 1, 2, 3]


def test_schema_prints_or_writes(jubako: Jubako, tmp_path: Path) -> None:
    printed = jubako("schema")
    assert json.loads(printed.stdout)["properties"]["backend"]["enum"][0] == "llama_cpp"
    assert jubako("schema", "--backend", "echo", "--out", "s.json").returncode == 0
    assert json.loads((tmp_path / "s.json").read_text())["properties"]["backend"]["enum"] == ["echo"]
    assert jubako("schema", "--reference").stdout.startswith("# model.yaml and version.yaml")
    assert "There is no backend 'ecko'" in jubako("schema", "--backend", "ecko").stderr


def test_versions_and_tritons_entries_are_shown(jubako: Jubako, tmp_path: Path) -> None:
    triton = tmp_path / "triton" / "t"
    for folder in ("1", "2", "3"):
        (triton / folder).mkdir(parents=True)
    for folder in ("1", "2"):
        (triton / folder / "model.onnx").touch()
    (triton / "config.pbtxt").write_text(
        'backend: "onnxruntime"\n'
        'input { name: "x" data_type: TYPE_FP32 dims: 3 }\n'
        "version_policy { specific { versions: [2, 3] } }\n"
        "response_cache { enable: true }\n"
    )
    checked = jubako("check", str(triton.parent))
    assert checked.returncode == 1
    assert [line.partition(": ")[0] for line in checked.stdout.splitlines()] == [
        "triton/t/config.pbtxt:1",
        "triton/t/config.pbtxt:4",
    ]
    assert "warning: `response_cache.enable` has no effect" in checked.stdout
    assert "0 models all right, 1 model with 1 problem, 1 warning." in checked.stderr
    listed = json.loads(jubako("ls", "--json", str(triton.parent)).stdout)
    assert [(model["version"], model["served"], model["backend"]) for model in listed["models"]] == [
        (1, False, "onnx"),
        (2, True, "onnx"),
    ]
    assert listed["models"][0]["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [3]}]
    assert list(listed["broken_versions"]["t"]) == ["3"]
    table = jubako("ls", str(triton.parent)).stdout
    assert "not chosen" in table
    assert "1 problem" in table
    pulled = jubako("pull", "--all", "--repository", str(triton.parent))
    assert pulled.returncode == 1
    assert "t:2" in pulled.stdout
    assert "t:3 is broken (1 problem)" in pulled.stderr
    assert "t has problems in its version 3." in jubako("pull", "t:3", "--repository", str(triton.parent)).stderr
