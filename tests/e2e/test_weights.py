"""Images without weights: they are mounted from a folder or an image, or fetched from the registry when it starts."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from jubako.backends.declarations import BACKENDS
from jubako.packaging.weights import MOUNT
from jubako.paths import default_cache
from jubako.repository.cache import Cache
from jubako.repository.progress import Silent
from jubako.repository.repository import read_repository
from jubako.repository.sources import fetch_weights
from tests.e2e.conftest import MODEL, REPOSITORY, Pushed, build_and_push, jubako
from tests.e2e.container import Container
from tests.e2e.machine import Machine
from tests.e2e.test_run import QUESTIONS, over_http
from tests.registry import Registry

IMAGE_LIMIT = 450 * 1024 * 1024


@pytest.fixture(scope="module")
def weights() -> Path:
    """The default model's weights, a file of this machine."""
    version = read_repository(REPOSITORY, BACKENDS).models[MODEL].latest
    found = fetch_weights(version, Cache(default_cache()), Silent())
    assert found is not None
    return found


@pytest.fixture(scope="module")
def without_weights(image: Pushed, builder: Machine, host: Machine, registry: Registry) -> str:
    """The image for mounted weights, pulled."""
    pushed = build_and_push(builder, f"{registry.address}/bento/{MODEL}:mounted", "--weights", "mounted", step="mounted: ")
    host.run("podman", "pull", "--quiet", pushed.reference)
    return pushed.reference


@pytest.fixture(scope="module")
def expected(container: Container) -> str:
    """What the container with the weights inside answers."""
    return over_http(container.api, QUESTIONS[0])


def test_weights_mounted_from_a_folder(without_weights: str, weights: Path, expected: str, host: Machine, tmp_path: Path) -> None:
    folder = tmp_path / "weights"
    folder.mkdir()
    shutil.copyfile(weights, folder / weights.name)
    assert host.inspect(without_weights)["Size"] < IMAGE_LIMIT
    with Container(host, without_weights, f"--volume={folder}:{MOUNT}:ro") as running:
        assert over_http(running.api, QUESTIONS[0]) == expected


@pytest.fixture(scope="module")
def weights_image(weights: Path, builder: Machine, host: Machine, registry: Registry) -> str:
    """The folder `models` and nothing else, as Kubernetes and KServe mount it; pulled."""
    name = f"{registry.address}/weights/{MODEL}:1"
    with builder.lap("data-only image"):
        empty = builder.run("buildah", "from", "scratch")
        builder.run("buildah", "copy", "--quiet", empty, weights, f"/models/{weights.name}")
        builder.run("buildah", "commit", "--quiet", "--timestamp=0", empty, name)
        builder.run("buildah", "rm", empty)
        builder.run("podman", "push", "--quiet", name)
    host.run("podman", "pull", "--quiet", name)
    return name


def test_weights_mounted_from_a_data_only_image(without_weights: str, weights_image: str, expected: str, host: Machine) -> None:
    with Container(host, without_weights, f"--mount=type=image,source={weights_image},destination=/mnt") as running:
        assert over_http(running.api, QUESTIONS[0]) == expected


def test_other_weights_than_those_of_the_bento_are_refused(
    without_weights: str, weights: Path, host: Machine, tmp_path: Path
) -> None:
    folder = tmp_path / "weights"
    folder.mkdir()
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    (folder / weights.name).write_bytes(content)
    with Container(host, without_weights, f"--volume={folder}:{MOUNT}:ro") as running:
        said = running.get("/readyz").json()["models"]
    assert [model["state"] for model in said] == ["FAILED"]
    assert "sha256" in said[0]["reason"] or "digest" in said[0]["reason"]


def test_weights_fetched_from_the_registry(
    image: Pushed, expected: str, builder: Machine, host: Machine, registry: Registry
) -> None:
    with builder.lap("push of the weights"):
        artifact = jubako(builder, "push", MODEL, f"oci+http://{registry.address}/models/{MODEL}", "--repository", REPOSITORY)
    name = f"{registry.address}/bento/{MODEL}:artifact"
    pushed = build_and_push(builder, name, "--weights", "artifact", "--from", artifact, step="artifact: ")
    host.run("podman", "pull", "--quiet", pushed.reference)
    # The registry listens on this machine only, so the container must be in its network.
    with Container(host, pushed.reference, network="host") as running:
        assert over_http(running.api, QUESTIONS[0]) == expected
