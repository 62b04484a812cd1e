"""From an entry of the repository to a container on another machine, with a real registry between the two."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from jubako.paths import default_cache
from tests.e2e.base_image import push_base_image
from tests.e2e.container import Container
from tests.e2e.machine import Machine, needs_containers
from tests.registry import Registry

REPOSITORY = Path(__file__).parents[2] / "model_repository"
MODEL = "smollm2"
DURATIONS = pytest.StashKey[dict[str, float]]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(needs_containers)
            item.add_marker(pytest.mark.timeout(1500))


@dataclass(frozen=True)
class Pushed:
    """An image in the registry.

    Attributes:
        tag: Of the bento that it was made of.
        name: With which it was pushed.
        digest: Of its manifest.
    """

    tag: str
    name: str
    digest: str

    @property
    def reference(self) -> str:
        return f"{self.name.rpartition(':')[0]}@{self.digest}"


@pytest.fixture(scope="session")
def durations(pytestconfig: pytest.Config) -> dict[str, float]:
    """Seconds that each step took, shown at the end."""
    return pytestconfig.stash.setdefault(DURATIONS, {})


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for step, seconds in config.stash.get(DURATIONS, {}).items():
        terminalreporter.write_line(f"{step:28} {seconds:6.1f} s")


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with Registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture(scope="session")
def builder(tmp_path_factory: pytest.TempPathFactory, registry: Registry, durations: dict[str, float]) -> Iterator[Machine]:
    """The machine on which images are built; its registry has the base image."""
    machine = Machine(tmp_path_factory.mktemp("builder") / "machine", registry.address, durations, builds=True)
    with machine.lap("base image"):
        push_base_image(machine, registry.address)
    yield machine
    machine.clean_up()


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory, registry: Registry, durations: dict[str, float]) -> Iterator[Machine]:
    """Another machine, whose store is empty and which has no settings for builds."""
    machine = Machine(tmp_path_factory.mktemp("host") / "machine", registry.address, durations, builds=False)
    yield machine
    machine.clean_up()


def jubako(machine: Machine, *arguments: str | Path, **variables: str) -> str:
    """The command on that machine, with the weights that this one has already."""
    return machine.run(sys.executable, "-m", "jubako", *arguments, JUBAKO_CACHE_DIR=str(default_cache()), **variables)


def build_and_push(
    machine: Machine,
    name: str,
    *options: str,
    model: str = MODEL,
    repository: Path = REPOSITORY,
    step: str = "",
    **variables: str,
) -> Pushed:
    """From the entry to the registry.

    Args:
        options: More of `jubako build`'s.
        step: What the durations are called by.
        variables: More of the environment.
    """
    with machine.lap(f"{step}build"):
        tag = jubako(machine, "build", model, "--repository", repository, *options, **variables)
    with machine.lap(f"{step}containerize"):
        jubako(machine, "containerize", tag, "--backend", "podman", "--tag", name, **variables)
    with machine.lap(f"{step}push"):
        digest = push(machine, name)
    return Pushed(tag, name, digest)


def push(machine: Machine, name: str) -> str:
    """Push an image, and return the digest of its manifest."""
    file = machine.folder / "digest"
    machine.run("podman", "push", "--quiet", f"--digestfile={file}", name)
    return file.read_text().strip()


@pytest.fixture(scope="session")
def image(builder: Machine, registry: Registry) -> Pushed:
    """The default model with its weights inside, pushed by `jubako push`."""
    name = f"{registry.address}/bento/{MODEL}:1"
    with builder.lap("build"):
        tag = jubako(builder, "build", MODEL, "--repository", REPOSITORY)
    with builder.lap("containerize"):
        jubako(builder, "containerize", tag, "--backend", "podman", "--tag", name)
    with builder.lap("push, with the image again"):
        reference = jubako(builder, "push", tag, name, "--plain-http")
    return Pushed(tag, name, reference.rpartition("@")[2])


@pytest.fixture(scope="session")
def pulled(image: Pushed, host: Machine) -> str:
    """The same, by its digest, in the store of the other machine."""
    with host.lap("pull"):
        host.run("podman", "pull", "--quiet", image.reference)
    return image.reference


@pytest.fixture(scope="session")
def container(pulled: str, host: Machine) -> Iterator[Container]:
    """That image, run."""
    with Container(host, pulled) as running:
        host.durations["start to ready"] = running.ready_s
        yield running
