"""`jubako env`, and models that run in what it makes: real virtual environments with one small package more."""

from __future__ import annotations

import json
import resource
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.conftest import ServerFactory
from tests.serving import Server
from tests.torch_index import index_with_torch
from tests.unit.cli.command import clean_environment, jubako

PACKAGE = "text-unidecode==1.3"
"""Small, of Python only, and not in the environment that runs the tests."""

MODEL = """
from text_unidecode import unidecode


class Model:
    def infer(self, text: str) -> str:
        return unidecode(text)
"""

Create = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def create(cache: Path) -> Create:
    """``create(WHAT, ...)`` runs `jubako env create` with the test's own cache."""

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return jubako("env", "create", *arguments, JUBAKO_CACHE_DIR=str(cache))

    return run


def start(cache: Path, *arguments: str, **variables: str) -> subprocess.Popen[str]:
    """`jubako env create`, running."""
    return subprocess.Popen(
        [sys.executable, "-m", "jubako", "env", "create", *arguments],
        env=clean_environment(JUBAKO_CACHE_DIR=str(cache), **variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def listed(cache: Path) -> list[dict[str, object]]:
    listing: list[dict[str, object]] = json.loads(jubako("env", "list", "--json", JUBAKO_CACHE_DIR=str(cache)).stdout)
    return listing


def folders(cache: Path) -> list[str]:
    return [path.name for path in (cache / "environments").iterdir() if not path.name.startswith(".")]


# --- making them


def test_an_environment_is_made_once_listed_checked_and_removed(cache: Path, create: Create) -> None:
    made = create("python", "--with", PACKAGE)
    assert made.returncode == 0, made.stderr
    folder = Path(made.stdout.strip())
    assert f"{folder.name} is ready.\n" in made.stderr
    assert f"Installing what every model needs, {PACKAGE}\n" in made.stderr
    again = create("python", "--with", PACKAGE)
    assert (again.stdout, again.stderr) == (made.stdout, f"{folder.name} was there already.\n")

    (record,) = listed(cache)
    assert (record["name"], record["backend"], record["packages"]) == (folder.name, "python", [PACKAGE])
    assert record["versions"] == record["versions"] | {"text-unidecode": "1.3"}  # type: ignore[operator]
    assert folder.name in jubako("env", "list", JUBAKO_CACHE_DIR=str(cache)).stdout
    checked = jubako("env", "check", JUBAKO_CACHE_DIR=str(cache))
    assert (checked.returncode, checked.stdout.strip(), checked.stderr) == (0, f"{folder.name}  ok", "")

    removed = jubako("env", "remove", folder.name, JUBAKO_CACHE_DIR=str(cache))
    assert (removed.returncode, removed.stderr) == (0, f"{folder.name} is removed.\n")
    assert listed(cache) == []
    assert not folder.exists()
    gone = jubako("env", "remove", folder.name, JUBAKO_CACHE_DIR=str(cache))
    assert (gone.returncode, gone.stderr) == (1, f"error: There is no environment '{folder.name}'. None was made yet.\n")


def test_check_says_what_is_broken_and_what_is_not_as_locked_and_create_mends_it(cache: Path, create: Create) -> None:
    folder = Path(create("python").stdout.strip())
    packages = next(folder.glob("lib/python*/site-packages"))
    (metadata,) = packages.glob("jinja2-*.dist-info/METADATA")
    text = metadata.read_text()
    # uv's cache has the same file under another name.
    metadata.unlink()
    metadata.write_text(text.replace("\nVersion: ", "\nVersion: 0."))
    (metadata.parent).rename(packages / "jinja2-0.3.dist-info")
    shutil.rmtree(packages / "msgspec")
    checked = jubako("env", "check", folder.name, JUBAKO_CACHE_DIR=str(cache))
    assert checked.returncode == 1
    assert checked.stdout.startswith(f"{folder.name}  broken")
    assert "error: msgspec can't be imported: ModuleNotFoundError: No module named 'msgspec'\n" in checked.stderr
    assert "note: jinja2 is 0." in checked.stderr
    assert create("python").stderr.endswith(f"{folder.name} is ready.\n"), "made again, since it was broken"
    assert jubako("env", "check", folder.name, JUBAKO_CACHE_DIR=str(cache)).returncode == 0


def test_two_who_want_the_same_at_once_make_it_once(cache: Path) -> None:
    both = [start(cache, "python"), start(cache, "python")]
    outputs = [process.communicate(timeout=200) for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    assert len({output for output, _ in outputs}) == 1
    assert sorted(error.strip().rpartition(" ")[2] for _, error in outputs) == ["already.", "ready."]
    assert len(listed(cache)) == 1


def test_one_who_is_killed_leaves_nothing_in_use(cache: Path, create: Create) -> None:
    # It can't end before: the index that it asks for packages does not answer.
    with socket.create_server(("127.0.0.1", 0)) as index:
        url = f"http://127.0.0.1:{index.getsockname()[1]}/simple/"
        killed = start(cache, "python", UV_DEFAULT_INDEX=url, UV_HTTP_RETRIES="0")
        while killed.poll() is None and not list(cache.glob("environments/python-any-*/pyvenv.cfg")):
            time.sleep(0.02)
        killed.send_signal(signal.SIGKILL)
        killed.communicate(timeout=200)
        assert killed.returncode == -signal.SIGKILL
    (torn,) = folders(cache)
    assert listed(cache) == []
    made = create("python")
    assert made.returncode == 0, made.stderr
    assert Path(made.stdout.strip()).name == torn
    assert [record["name"] for record in listed(cache)] == [torn]
    assert jubako("env", "check", torn, JUBAKO_CACHE_DIR=str(cache)).returncode == 0


def test_one_who_runs_out_of_room_leaves_nothing(cache: Path, create: Create, monkeypatch: pytest.MonkeyPatch) -> None:
    # The files are written: links into uv's cache would need no room.
    monkeypatch.setenv("UV_LINK_MODE", "copy")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))
    try:
        failed = create("python")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert failed.returncode == 1
    assert "error: uv pip install " in failed.stderr
    assert folders(cache) == []
    assert create("python").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pyhton"], "'pyhton' is neither a backend nor a model"),
        (["python", "--variant", "cuda"], "An environment for python has no variant 'cuda'; there is any."),
        (["python", "--with", "nobody-has-this-package==1.0"], "nobody-has-this-package"),
        (["python", "--with", "numpy<1"], "numpy"),
        (["python", "--python", "3.4"], "3.4"),
        (["elsewhere"], "The entry of elsewhere says `environment: /usr`: '/usr' is not made by jubako."),
        (["own"], "The entry of own says `environment: jubako`: the server's own is not made by jubako."),
    ],
)
def test_what_can_not_be_made_is_said_and_leaves_nothing(
    cache: Path, create: Create, repository: Callable[..., Path], arguments: list[str], message: str
) -> None:
    root = repository(elsewhere="backend: echo\nenvironment: /usr\n", own="backend: echo\nenvironment: jubako\n")
    failed = create(*arguments, "--repository", root)
    assert failed.returncode == 1
    assert message in failed.stderr
    assert "Traceback" not in failed.stderr
    assert listed(cache) == []


# --- torch without CUDA


def test_a_build_of_torch_for_cuda_does_not_come_into_an_environment_for_the_cpu(
    cache: Path, create: Create, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    cuda = index_with_torch(tmp_path / "cuda", "Requires-Dist: nvidia-cublas==13.1; platform_system == 'Linux'\n")
    refused = create("torch", "--variant", "cpu", "--torch-index", cuda)
    assert refused.returncode == 1
    assert "pip finds torch 2.13.0 only as a build for CUDA" in refused.stderr
    assert "--torch-index URL" in refused.stderr
    assert folders(cache) == []
    cpu = index_with_torch(tmp_path / "cpu", "")
    made = create("torch", "--variant", "cpu", "--torch-index", cpu)
    assert made.returncode == 0, made.stderr
    assert listed(cache)[0]["versions"]["torch"] == "2.13.0"  # type: ignore[index]
    assert "torch 2.13.0" in jubako("env", "list", JUBAKO_CACHE_DIR=str(cache)).stdout


# --- running in them


def reasons(server: Server) -> dict[str, str]:
    """Why each model that is not served is not; "" for those that are."""
    index = httpx.post(f"{server.url}/v2/repository/index").json()
    return {entry["name"]: "" if entry["state"] == "READY" else entry["reason"] for entry in index}


def is_settled(server: Server) -> Callable[[], bool]:
    def settled() -> bool:
        index = httpx.post(f"{server.url}/v2/repository/index").json()
        return bool(index) and all(entry["state"] == "READY" or "environment" in entry["reason"] for entry in index)

    return settled


def said(server: Server, model: str, text: str) -> str:
    tensor = {"name": "text", "datatype": "BYTES", "shape": [1], "data": [text]}
    answer = httpx.post(f"{server.url}/v2/models/{model}/infer", json={"inputs": [tensor]})
    assert answer.status_code == 200, answer.text
    output: str = answer.json()["outputs"][0]["data"][0]
    return output


def test_a_model_runs_in_the_environment_that_is_made_for_it_while_the_server_runs(
    cache: Path, create: Create, repository: Callable[..., Path], make_server: ServerFactory
) -> None:
    root = repository(
        plain="backend: python\nenvironment: {requirements: 1/requirements.txt}\n",
        needy="backend: python\n",
        broken="backend: echo\nenvironment: ./bare\n",
        echo="backend: echo\n",
    )
    for name in ("plain", "needy"):
        (root / name / "1" / "model.py").write_text(textwrap.dedent(MODEL))
        (root / name / "1" / "requirements.txt").write_text(f"{PACKAGE}\n")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", root / "broken" / "bare"], check=True)
    server = make_server(root, JUBAKO_CACHE_DIR=str(cache))
    server.start()
    server.wait_until(is_settled(server))
    why = reasons(server)
    assert why["echo"] == ""
    assert why["plain"].endswith(f"python with {PACKAGE}, has not been made. Make it with: jubako env create plain")
    assert why["needy"].endswith(
        "Write `environment: {requirements: 1/requirements.txt}` into model.yaml, then run: jubako env create needy"
    )
    assert "broken/bare, has no annotated_types, jinja2, msgspec, numpy." in why["broken"]

    doctor = jubako("doctor", "--json", JUBAKO_CACHE_DIR=str(cache), JUBAKO_REPOSITORY=str(root))
    assert {finding["what"]: finding["state"] for finding in json.loads(doctor.stdout)}["model plain"] == "wrong"

    made = create("plain", "--repository", root)
    assert made.returncode == 0, made.stderr
    assert jubako("load", "plain", "--url", server.url).returncode == 0
    assert said(server, "plain", "kožušček") == "kozuscek"
    assert reasons(server)["needy"], "one that was made for another entry is not taken"

    # As the message says: the same packages are the same environment.
    (root / "needy" / "model.yaml").write_text("backend: python\nenvironment: {requirements: 1/requirements.txt}\n")
    assert create("needy", "--repository", root).stdout == made.stdout
    assert jubako("load", "needy", "--url", server.url).returncode == 0
    assert said(server, "needy", "Škoda") == "Skoda"

    assert len(server.instances) == 3
    findings = json.loads(jubako("doctor", "--json", JUBAKO_CACHE_DIR=str(cache), JUBAKO_REPOSITORY=str(root)).stdout)
    (finding,) = (each for each in findings if each["what"] == "model plain")
    assert (finding["state"], finding["detail"]) == ("ok", f"runs under {made.stdout.strip()}/bin/python")


def test_once_there_is_an_environment_for_a_backend_its_models_run_in_it(
    cache: Path, create: Create, repository: Callable[..., Path], make_server: ServerFactory
) -> None:
    root = repository(where="backend: python\n", own="backend: python\nenvironment: jubako\n")
    for name in ("where", "own"):
        code = "import sys\n\n\nclass Model:\n    def infer(self, text: str) -> str:\n        return sys.prefix\n"
        (root / name / "1" / "model.py").write_text(code)
    with make_server(root, JUBAKO_CACHE_DIR=str(cache)) as server:
        assert said(server, "where", "") == said(server, "own", "") == sys.prefix
        folder = create("python").stdout.strip()
        for name in ("where", "own"):
            assert jubako("load", name, "--url", server.url).returncode == 0
        assert said(server, "where", "") == folder
        assert said(server, "own", "") == sys.prefix
