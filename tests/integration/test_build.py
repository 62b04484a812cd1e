"""`jubako build`: bentos that BentoML itself lists, moves and serves, on a machine that has none of jubako's commands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import yaml

from jubako.environments.uv import uv_program
from jubako.packaging.locks import pins
from tests.integration.bentoml_serving import bentoml_serve
from tests.integration.workshop import TIMEOUT_S, TIMES, Workshop
from tests.unit.cli.command import clean_environment

ENSEMBLE = """
backend: ensemble
inputs: [{name: a, datatype: INT64, shape: [-1]}]
outputs: [{name: b, datatype: INT64, shape: [-1]}]
engine: {steps: [{model: times, inputs: {a: a}, outputs: {b: b}}]}
"""

SECRET = "hidden-word"


def workshop_in(folder: Path) -> Workshop:
    """A model in two versions, whose weights are a number, and an ensemble that needs it."""
    workshop = Workshop(folder)
    weights = folder / "weights"
    weights.mkdir()
    for number, factor in ((1, 10), (2, 20)):
        version = workshop.repository / "times" / str(number)
        version.mkdir(parents=True)
        (version / "model.py").write_text(TIMES)
        (weights / f"factor-{number}.txt").write_text(str(factor))
        (version / "version.yaml").write_text(f"source: file:{weights}/factor-{number}.txt\n")
    (workshop.repository / "times" / "model.yaml").write_text("backend: python\nlicense: MIT\naliases: {stable: 1}\n")
    (workshop.repository / "asks").mkdir()
    (workshop.repository / "asks" / "model.yaml").write_text(ENSEMBLE)
    return workshop


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return workshop_in(tmp_path)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workshop, list[str]]:
    """The tags of all bentos of a workshop, built where the environment names an index of packages that nobody may learn of."""
    workshop = workshop_in(tmp_path_factory.mktemp("workshop"))
    index = f"http://user:{SECRET}@127.0.0.1:9/simple"
    ended = workshop.jubako("build", "--all", UV_INDEX_URL=index, UV_DEFAULT_INDEX=index, PIP_INDEX_URL=index)
    return workshop, ended.stdout.split()


def ask(url: str, model: str) -> list[int]:
    tensor = {"name": "a", "datatype": "INT64", "shape": [2], "data": [1, 2]}
    answer = httpx.post(f"{url}/v2/models/{model}/infer", json={"inputs": [tensor]}, timeout=30)
    assert answer.status_code == 200, answer.text
    found: list[int] = answer.json()["outputs"][0]["data"]
    return found


def test_the_same_content_is_the_same_bento_and_any_other_is_another(workshop: Workshop) -> None:
    tag = workshop.jubako("build", "times@stable").stdout.strip()
    assert re.fullmatch(r"times:1-[0-9a-f]{12}", tag)
    written = (workshop.place(tag) / "bento.yaml").stat().st_mtime_ns
    again = workshop.jubako("build", "times:1")
    assert again.stdout.strip() == tag
    assert "is there already" in again.stderr
    assert (workshop.place(tag) / "bento.yaml").stat().st_mtime_ns == written
    file = workshop.repository / "times" / "1" / "model.py"
    file.write_text(file.read_text() + "# changed\n")
    changed = workshop.jubako("build", "times:1").stdout.strip()
    assert changed != tag
    # The weights are the same, and there once.
    [stored] = {model["tag"] for each in (tag, changed) for model in workshop.described(each)["models"]}
    assert [path.name for path in (workshop.home / "models" / "times").iterdir() if path.is_dir()] == [stored.partition(":")[2]]


def test_there_is_one_for_every_version_that_would_be_served(built: tuple[Workshop, list[str]]) -> None:
    workshop, tags = built
    assert sorted(tag.partition("-")[0] for tag in tags) == ["asks:1", "times:1", "times:2"]
    [asks] = [tag for tag in tags if tag.startswith("asks")]
    assert {path.name for path in (workshop.place(asks) / "src" / "model_repository").iterdir()} == {"asks", "times"}


def test_it_holds_its_files_its_service_and_what_describes_them(built: tuple[Workshop, list[str]]) -> None:
    workshop, tags = built
    [tag] = [tag for tag in tags if tag.startswith("times:2")]
    bento, folder = workshop.described(tag), workshop.place(tag)
    labels = bento["labels"]
    said = {"model": "times", "version": "2", "backend": "python", "license": "MIT", "weights": "baked"}
    assert {name: labels[name] for name in said} == said
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", labels["content"])
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", labels["weights.times.2"])
    assert bento["service"] == "services.python:svc"
    assert bento["args"] == {"model": "times", "version": 2, "packages": []}
    source = folder / "src"
    names = {"README.md", "bentofile.yaml", "jubako", "model_repository", "protos", "services"}
    assert {path.name for path in source.iterdir()} == names
    assert [path.name for path in (source / "services").iterdir()] == ["python.py"]
    entry = source / "model_repository" / "times"
    held = {path.relative_to(entry).as_posix() for path in entry.rglob("*") if path.is_file()}
    assert held == {"model.yaml", "2/model.py", "2/version.yaml"}
    assert (source / "protos" / "jubako" / "v1" / "model.proto").is_file()
    assert not list(source.rglob("*.pyc"))
    assert "/v2/models/{model}/infer" in yaml.safe_load((folder / "apis" / "openapi.yaml").read_text())["paths"]
    assert f"bentoml serve {tag}" in (folder / "README.md").read_text()


def test_no_address_of_an_index_is_in_it(built: tuple[Workshop, list[str]]) -> None:
    workshop, tags = built
    for path in workshop.home.rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path
    for tag in tags:
        lines = (workshop.place(tag) / "env" / "python" / "requirements.txt").read_text().splitlines()
        assert not [line for line in lines if line.startswith("-") or "://" in line]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["build"], "Name one model"),
        (["build", "times", "--all"], "Name one model"),
        (["build", "time"], "There is no model 'time'"),
        (["build", "times", "--weights", "source"], "are on this machine only"),
        (["build", "times", "--weights", "artifact"], "Say which artifact has the weights of times:2"),
        (["build", "times", "--from", "oci://127.0.0.1:1/x"], "--from is for --weights artifact"),
        (["build", "times", "--variant", "gpu"], "'cpu', 'cuda'"),
        (["push", "times", "oci://127.0.0.1:1/x", "--variant", "cpu"], "--variant and --torch-index are for images"),
    ],
)
def test_what_is_said_wrongly(workshop: Workshop, arguments: list[str], message: str) -> None:
    assert message in workshop.jubako(*arguments, succeeds=False).stderr


def test_a_variant_is_another_bento_with_other_packages(tmp_path: Path) -> None:
    workshop = Workshop(tmp_path)
    (workshop.repository / "net" / "1").mkdir(parents=True)
    (workshop.repository / "net" / "model.yaml").write_text("backend: torch\n")
    (workshop.repository / "net" / "1" / "model.pt").write_text("")
    usual, cuda, cpu = (
        workshop.jubako("build", "net", *flags).stdout.strip() for flags in ((), ("--variant", "cuda"), ("--variant", "cpu"))
    )
    assert usual == cuda != cpu
    for tag, variant, gpus in ((cuda, "cuda", 1), (cpu, "cpu", None)):
        bento, place = workshop.described(tag), workshop.place(tag)
        assert bento["labels"]["variant"] == variant
        assert set((place / "env" / "python" / "requirements.txt").read_text().splitlines()) == set(pins(f"torch-{variant}"))
        assert f"| variant | {variant}: " in (place / "README.md").read_text()
        [runner] = [service for service in bento["services"] if service["name"] == "runner"]
        assert runner["config"]["resources"].get("gpu") == gpus


def test_mounted_weights_are_looked_for_where_they_are_mounted(workshop: Workshop) -> None:
    tag = workshop.jubako("build", "times:1", "--weights", "mounted").stdout.strip()
    assert workshop.described(tag)["models"] == []
    place = workshop.place(tag)
    version = yaml.safe_load((place / "src" / "model_repository" / "times" / "1" / "version.yaml").read_text())
    assert version["source"] == "file:/mnt/models/factor-1.txt"
    assert re.fullmatch(r"[0-9a-f]{64}", version["sha256"])
    assert "- `/mnt/models/factor-1.txt`" in (place / "README.md").read_text()


def test_another_machine_serves_it_with_bentoml_alone(built: tuple[Workshop, list[str]], tmp_path: Path) -> None:
    """Exported here, imported and served there: an environment with the bento's own requirements, and nothing of this one."""
    workshop, tags = built
    [tag] = [tag for tag in tags if tag.startswith("asks")]
    bentoml = [sys.executable, "-m", "bentoml"]
    here = clean_environment(BENTOML_HOME=str(workshop.home), BENTOML_DO_NOT_TRACK="true")
    listed = subprocess.run([*bentoml, "list", "-o", "yaml"], env=here, capture_output=True, text=True, check=True).stdout
    assert sorted(each["tag"] for each in yaml.safe_load(listed)) == sorted(tags)
    file = tmp_path / "asks.bento"
    subprocess.run([*bentoml, "export", tag, str(file)], env=here, capture_output=True, check=True)

    python = tmp_path / "environment" / "bin" / "python"
    requirements = workshop.place(tag) / "env" / "python" / "requirements.txt"
    uv = uv_program()
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, python.parents[1]], check=True)
    subprocess.run([uv, "pip", "install", "--quiet", "--python", python, "--requirement", requirements], check=True)
    there = {
        "BENTOML_HOME": str(tmp_path / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "true",
        "JUBAKO_CACHE_DIR": str(tmp_path / "cache"),
    }
    subprocess.run([python, "-m", "bentoml", "import", file], env=clean_environment(**there), capture_output=True, check=True)
    (workshop.folder / "weights").rename(tmp_path / "weights that nobody else has")
    with bentoml_serve([tag], tmp_path, tmp_path / "log", python=python, **there) as server:
        assert ask(server.url, "asks") == [20, 40]


def test_bentoml_builds_the_whole_repository_from_the_projects_folder(tmp_path: Path) -> None:
    environment = clean_environment(BENTOML_HOME=str(tmp_path), BENTOML_DO_NOT_TRACK="true")
    command = [sys.executable, "-m", "bentoml", "build", "--version", "all", "--output", "tag"]
    project = Path(__file__).parents[2]
    subprocess.run(command, cwd=project, env=environment, capture_output=True, check=True, timeout=TIMEOUT_S)
    source = tmp_path / "bentos" / "jubako" / "all" / "src"
    assert {path.name for path in source.iterdir()} == {
        "LICENSE",
        "bentofile.yaml",
        "jubako",
        "model_repository",
        "protos",
        "services",
    }
    assert {path.suffix for path in (source / "protos").rglob("*") if path.is_file()} == {".proto"}
    assert not list(source.rglob("*.pyc"))
    entries = {path.parent.name for path in (project / "model_repository").glob("*/model.yaml")}
    assert entries <= {path.name for path in (source / "model_repository").iterdir()}
