"""`jubako manifest`, where it can't do what it is asked for, and what it takes from elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.unit.cli.command import jubako

FOR_COMPOSE = ("manifest", "m", "--for", "compose", "--repository")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A model with two versions, the first of them under an alias, one whose weights nobody has fetched, and two for GPUs."""
    root = tmp_path / "models"
    for number in (1, 2):
        (root / "m" / str(number)).mkdir(parents=True)
    (root / "m" / "model.yaml").write_text("backend: echo\naliases: {stable: 1}\nversions: all\n")
    (root / "far" / "1").mkdir(parents=True)
    (root / "far" / "model.yaml").write_text("backend: onnx\nsource: https://example.com/far.onnx\n")
    for name, text in {"net": "backend: torch\n", "wide": "backend: vllm\nengine: {tensor_parallel_size: 4}\n"}.items():
        (root / name / "1").mkdir(parents=True)
        (root / name / "model.yaml").write_text(text)
        (root / name / "1" / "model.pt").write_text("")
    return root


def test_memory_that_depends_on_weights_that_are_not_here_must_be_said(repository: Path, tmp_path: Path) -> None:
    cache = str(tmp_path / "cache")
    ran = jubako("manifest", "far", "--repository", repository, JUBAKO_CACHE_DIR=cache)
    assert ran.returncode == 1
    assert "jubako pull far" in ran.stderr
    assert "--memory-mib" in ran.stderr
    ran = jubako("manifest", "far", "--memory-mib", "700", "--repository", repository, JUBAKO_CACHE_DIR=cache)
    assert ran.returncode == 0
    assert "memory: 700Mi" in ran.stdout


def test_an_alias_and_the_settings_count(repository: Path) -> None:
    ran = jubako("manifest", "m@stable", "--for", "compose", "--repository", repository, JUBAKO_GRACE_PERIOD_S="5")
    assert ran.returncode == 0, ran.stderr
    service = yaml.safe_load(ran.stdout)["services"]["m"]
    assert service["image"] == "m:1"
    assert service["stop_grace_period"] == "15s"


def test_a_file_that_cannot_be_written_is_told(repository: Path) -> None:
    ran = jubako(*FOR_COMPOSE, repository, "--out", repository / "nowhere" / "compose.yaml")
    assert ran.returncode == 1
    assert "can't be written" in ran.stderr


def test_several_containers_of_compose_are_refused(repository: Path) -> None:
    ran = jubako(*FOR_COMPOSE, repository, "--replicas", "2")
    assert ran.returncode == 1
    assert "instances" in ran.stderr


@pytest.mark.parametrize(
    ("arguments", "gpus"),
    [
        (("net",), 1),
        (("net", "--variant", "cuda"), 1),
        (("net", "--variant", "cpu"), 0),
        (("net", "--gpu", "0"), 0),
        (("wide",), 4),
        (("wide", "--gpu", "2"), 2),
        (("wide", "--variant", "cpu"), 0),
        (("m",), 0),
        (("m", "--gpu", "1", "--variant", "cpu"), 1),
    ],
)
def test_an_image_with_cuda_gets_the_gpus_that_its_engine_asks_for(
    repository: Path, arguments: tuple[str, ...], gpus: int
) -> None:
    ran = jubako("manifest", *arguments, "--for", "compose", "--repository", repository)
    assert ran.returncode == 0, ran.stderr
    [service] = yaml.safe_load(ran.stdout)["services"].values()
    devices = service["deploy"]["resources"].get("reservations", {}).get("devices", [])
    assert [device["count"] for device in devices] == ([gpus] if gpus else [])


def test_an_image_without_cuda_has_no_use_for_gpus(repository: Path) -> None:
    ran = jubako(*FOR_COMPOSE[:1], "net", "--variant", "cpu", "--gpu", "1", "--repository", repository)
    assert ran.returncode == 1
    assert "has no use for GPUs. Leave out --gpu, or --variant cpu." in ran.stderr
