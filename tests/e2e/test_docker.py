"""An image made, pushed and run by Docker: what the other tests see of podman's images holds of Docker's too."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from jubako.oci.reference import parse_reference
from jubako.oci.referrers import referrers
from jubako.oci.remote import RemoteRepository
from jubako.packaging.sbom import MEDIA_TYPE
from tests.e2e.conftest import jubako
from tests.e2e.container import Container
from tests.e2e.docker import Docker, needs_docker
from tests.e2e.layers import unpack
from tests.e2e.machine import Machine
from tests.e2e.private_index import PrivateIndex
from tests.e2e.test_private_index import write_repository
from tests.registry import Registry

pytestmark = needs_docker

MOST_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Made:
    """An image that was pushed.

    Attributes:
        reference: By its digest in the registry.
        said: What `jubako push` wrote beside that.
        traces: Texts that it must not hold.
    """

    reference: str
    said: str
    traces: list[str]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_repository(tmp_path_factory.mktemp("docker") / "repository")


@pytest.fixture(scope="module")
def machine(builder: Machine, registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """One with Docker. `builder` has put the base image into the registry."""
    made = Machine(tmp_path_factory.mktemp("docker") / "machine", registry.address, builder.durations, builds=True)
    with Docker(made) as docker:
        docker.bring_base_image(registry.address)
        yield made


def push(machine: Machine, repository: Path, name: str) -> Made:
    """From the entry to the registry, with packages of an index that wants a password."""
    with PrivateIndex() as index:
        settings = {"PIP_INDEX_URL": index.url, "UV_INDEX_URL": index.url}
        tag = jubako(machine, "build", "marked", "--repository", repository, **settings)
        command = [sys.executable, "-m", "jubako", "push", tag, name, "--backend", "docker", "--plain-http"]
        ran = machine.try_to_run(command, **settings)
        assert ran.returncode == 0, ran.stderr[-6000:]
        return Made(ran.stdout.strip(), ran.stderr, index.traces)


@pytest.fixture(scope="module")
def made(machine: Machine, repository: Path, registry: Registry) -> Made:
    with machine.lap("docker: build and push"):
        return push(machine, repository, f"{registry.address}/docker/marked:1")


def test_it_holds_what_it_should_and_no_secret(made: Made, machine: Machine, tmp_path: Path) -> None:
    unpacked = unpack(machine, made.reference, tmp_path / "layers")
    config = unpacked.configuration["config"]
    assert config["User"] == "1034:1034"
    assert config["Entrypoint"][0] == config["Healthcheck"]["Test"][1] == "/app/.venv/bin/python"
    assert config["Labels"]["jubako.model"] == "marked"
    assert unpacked.mentions(*made.traces) == []


def test_its_layers_are_told_apart(made: Made) -> None:
    table = made.said.partition("layer ")[2].splitlines()[1:]
    parts = [line.split()[0] for line in table[: table.index(next(line for line in table if line.startswith("all"))) + 1]]
    assert parts == ["base", "system", "packages", "jubako", "code", "all"]


def test_it_is_pulled_by_its_digest_and_runs_until_it_is_stopped(made: Made, machine: Machine) -> None:
    machine.run("docker", "rmi", "--force", *machine.run("docker", "images", "--quiet", made.reference).split())
    with Container(machine, made.reference, network="host", tool="docker") as container:
        inputs = [{"name": "x", "datatype": "INT64", "shape": [1], "data": [1]}]
        answer = httpx.post(f"{container.url}/v2/models/marked/infer", json={"inputs": inputs})
        assert answer.json()["outputs"][0]["data"] == [43]
        [inspected] = json.loads(machine.run("docker", "inspect", container.id))
        container.run(*inspected["Config"]["Healthcheck"]["Test"][1:])
        assert container.stop() == 0


def test_the_list_of_what_is_in_it_lies_beside_it_in_the_registry(made: Made) -> None:
    reference = parse_reference(f"oci+http://{made.reference}")
    with RemoteRepository(reference) as remote:
        [_] = referrers(remote, made.reference.partition("@")[2], MEDIA_TYPE)


def test_only_the_code_is_sent_again(made: Made, machine: Machine, repository: Path, registry: Registry) -> None:
    with (repository / "marked" / "1" / "model.py").open("a") as file:
        file.write("# changed\n")
    before = registry.uploaded
    with machine.lap("docker: rebuild and push"):
        changed = push(machine, repository, f"{registry.address}/docker/marked:changed")
    sent = registry.uploaded - before
    assert changed.reference != made.reference
    assert 0 < sent < MOST_BYTES, f"{sent} bytes were sent"
