"""The image of an embedder for machines without a GPU: PyTorch without CUDA is in it, and no trace of where that came from."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from jubako.packaging.lock import TORCH
from jubako.packaging.locks import lock_for, pins
from tests.e2e.conftest import REPOSITORY, jubako
from tests.e2e.container import Container
from tests.e2e.layers import unpack_here
from tests.e2e.machine import Machine

MODEL = "minilm"
MIB = 1024 * 1024
BUDGET_MIB = 1400
"""Of the whole image; with CUDA it is several times as much."""

[PIN] = [pin for pin in pins(lock_for("transformers", "cpu")) if pin.startswith(f"{TORCH}==")]

SENTENCE = "That is a happy person."
LIKE_IT = "That is a very happy person."
UNLIKE_IT = "Today is a sunny day."


@dataclass(frozen=True)
class Image:
    """`index`: the folder in which PyTorch was found."""

    name: str
    index: Path


@pytest.fixture(scope="module")
def image(builder: Machine, tmp_path_factory: pytest.TempPathFactory) -> Image:
    """Made with an index of its own, which has the build that this machine's pip finds."""
    index = tmp_path_factory.mktemp("index")
    project = index / TORCH
    pip: list[str | Path] = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest"]
    builder.run(*pip, project, PIN)
    [wheel] = project.iterdir()
    (project / "index.html").write_text(f'<a href="{wheel.name}">{wheel.name}</a>')
    flags: list[str | Path] = ["--variant", "cpu", "--torch-index", index.as_uri(), "--repository", REPOSITORY]
    name = f"localhost/{MODEL}:cpu"
    with builder.lap("without CUDA: image"):
        jubako(builder, "containerize", MODEL, "--backend", "podman", "--tag", name, *flags)
    wheel.unlink()
    return Image(name, index)


@pytest.fixture(scope="module")
def container(image: Image, builder: Machine) -> Iterator[Container]:
    with Container(builder, image.name, "--memory=2g") as running:
        builder.durations["without CUDA: to ready"] = running.ready_s
        yield running


def test_it_embeds(container: Container) -> None:
    question = {"model": MODEL, "input": [SENTENCE, LIKE_IT, UNLIKE_IT]}
    answer = httpx.post(f"{container.api}/embeddings", json=question, timeout=60)
    assert answer.status_code == 200, answer.text
    vectors: list[list[float]] = [each["embedding"] for each in answer.json()["data"]]
    assert [len(vector) for vector in vectors] == [384] * 3
    like, unlike = (sum(a * b for a, b in zip(vectors[0], other, strict=True)) for other in vectors[1:])
    assert like > 0.9
    assert unlike < 0.4


def test_it_has_pytorch_without_cuda(image: Image, container: Container, builder: Machine) -> None:
    said = container.run("python", "-c", "import torch; print(torch.__version__, torch.version.cuda)")
    version, cuda = said.split()
    assert version.partition("+")[0] == PIN.partition("==")[2]
    assert cuda == "None"
    assert builder.inspect(image.name)["Labels"]["jubako.variant"] == "cpu"
    bill = json.loads(jubako(builder, "sbom", image.name, "--backend", "podman"))
    versions = {component["name"]: component["version"] for component in bill["components"]}
    assert versions[TORCH] == version
    assert not [name for name in versions if name.startswith(("nvidia-cu", "cuda-", "triton"))]


def test_a_bento_of_one_variant_makes_no_image_of_the_other(image: Image, builder: Machine) -> None:
    tag = builder.inspect(image.name)["Labels"]["jubako.bento"]
    command = [sys.executable, "-m", "jubako", "containerize", tag, "--backend", "podman", "--variant", "cuda"]
    ran = builder.try_to_run(command)
    assert ran.returncode == 2
    assert f"Build another with: jubako build {MODEL}:1 --variant cuda" in ran.stderr


def test_it_has_pytorch_once_and_does_not_tell_where_it_came_from(image: Image, builder: Machine, tmp_path: Path) -> None:
    unpacked = unpack_here(builder, image.name, tmp_path / "layers")
    paths = list(unpacked.paths())
    assert len([path for path in paths if path.endswith("/site-packages/torch/__init__.py")]) == 1
    assert [path for path in paths if path.endswith(".whl")] == []
    assert unpacked.mentions(str(image.index), str(builder.folder)) == []
    assert sum(unpacked.sizes) / MIB < BUDGET_MIB
