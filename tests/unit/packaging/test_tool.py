"""Which program makes images. The programs are real ones; a docker without its daemon is one with an address where nothing is."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

import pytest

from jubako.errors import ConfigurationError
from jubako.packaging.tool import TOOLS, Tool, working_tool
from tests.unit.cli.command import jubako

needs_docker = pytest.mark.skipif(shutil.which("docker") is None, reason="docker is not installed")
needs_buildah = pytest.mark.skipif(shutil.which("buildah") is None, reason="buildah is not installed")
needs_podman = pytest.mark.skipif(shutil.which("podman") is None, reason="podman is not installed")

NO_DAEMON = "unix:///nowhere/docker.sock"


def path_with(folder: Path, *tools: Tool) -> str:
    """A PATH on which of the programs that make images only these are."""
    folder.mkdir()
    for tool in tools:
        (folder / tool).symlink_to(str(shutil.which(tool)))
    return str(folder)


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    monkeypatch.setenv("PATH", path_with(tmp_path / "bin", *request.param))
    monkeypatch.setenv("DOCKER_HOST", NO_DAEMON)


@needs_docker
@needs_buildah
@pytest.mark.parametrize("tools", [("docker", "buildah")], indirect=True)
@pytest.mark.usefixtures("tools")
def test_a_docker_without_its_daemon_is_passed_over() -> None:
    assert working_tool() == "buildah"


@needs_docker
@needs_buildah
@needs_podman
@pytest.mark.parametrize("tools", [TOOLS], indirect=True)
@pytest.mark.usefixtures("tools")
def test_podman_goes_before_the_others() -> None:
    assert working_tool() == "podman"
    assert working_tool("buildah") == "buildah"


@needs_docker
@pytest.mark.parametrize("tools", [("docker",)], indirect=True)
@pytest.mark.usefixtures("tools")
@pytest.mark.parametrize("wanted", ["docker", None])
def test_a_docker_without_its_daemon_says_what_to_do(wanted: Tool | None) -> None:
    with pytest.raises(ConfigurationError) as raised:
        working_tool(wanted)
    assert f"docker is installed, but does not work: Cannot connect to the Docker daemon at {NO_DAEMON}." in raised.value.message
    assert "sudo systemctl start docker" in raised.value.message


@needs_docker
@pytest.mark.parametrize("tools", [("docker",)], indirect=True)
@pytest.mark.usefixtures("tools")
def test_a_daemon_that_does_not_answer_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "docker.sock"))
        silent.listen()
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
        with pytest.raises(ConfigurationError, match=r"`docker version` did not answer within 0\.5 s"):
            working_tool(patience_s=0.5)


@pytest.mark.parametrize("tools", [()], indirect=True)
@pytest.mark.usefixtures("tools")
def test_where_nothing_is_installed_it_says_what_to_install() -> None:
    with pytest.raises(ConfigurationError, match=r"none is installed\. Install podman or Docker\."):
        working_tool()
    with pytest.raises(ConfigurationError, match=r"docker is not installed\. Install it, or say --backend podman or"):
        working_tool("docker")


@needs_docker
@pytest.mark.parametrize(
    "command",
    [("containerize", "smollm2"), ("push", "smollm2", "registry.example.org/smollm2:1"), ("sbom", "smollm2:1")],
    ids=lambda command: command[0],
)
def test_commands_say_so_before_they_build_anything(command: tuple[str, ...], tmp_path: Path) -> None:
    ran = jubako(*command, "--backend", "docker", DOCKER_HOST=NO_DAEMON, BENTOML_HOME=str(tmp_path))
    assert ran.returncode == 2
    assert ran.stderr.startswith("error: docker is installed, but does not work: Cannot connect to the Docker daemon")
    assert "building" not in ran.stderr
