"""The build of PyTorch without CUDA that an image gets, from an index of the machine that makes it."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from jubako.errors import ConfigurationError
from jubako.packaging.locks import lock_for, pins
from jubako.packaging.torch_wheel import fetch_torch
from tests.torch_index import ANYWHERE, index_with_torch

CUDA = "Requires-Dist: nvidia-cublas==13.1; platform_system == 'Linux'\n"
LOCK = pins(lock_for("torch", "cpu"))
[VERSION] = [pin.partition("==")[2] for pin in LOCK if pin.startswith("torch==")]


@pytest.fixture
def requirements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a bento says; pip knows no index but the one that it is told."""
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    file = tmp_path / "requirements.txt"
    file.write_text("".join(f"{pin}\n" for pin in LOCK))
    return file


def test_it_is_the_build_for_the_python_and_the_system_of_images(requirements: Path, tmp_path: Path) -> None:
    machine = platform.machine()
    tags = (
        f"cp310-cp310-manylinux_2_28_{machine}",
        f"cp311-cp311-manylinux_2_28_{machine}",
        f"cp311-cp311-manylinux_2_39_{machine}",
        "cp311-cp311-macosx_14_0_arm64",
        "cp311-cp311-win_amd64",
    )
    index = index_with_torch(tmp_path / "index", tags=tags, version=f"{VERSION}+cpu")
    said: list[str] = []
    fetch_torch(requirements, tmp_path / "wheels", index, said.append)
    expected = f"torch-{VERSION}+cpu-{tags[1]}.whl"
    assert [path.name for path in (tmp_path / "wheels").iterdir()] == [expected]
    assert said[-1] == f"taking {expected}"


def test_what_is_built_with_it_comes_with_it(requirements: Path, tmp_path: Path) -> None:
    index_with_torch(tmp_path / "index", version=f"{VERSION}+cpu")
    index = index_with_torch(tmp_path / "index", version="0.28.0+cpu", name="torchvision")
    with requirements.open("a") as file:
        file.write("torchvision==0.28.0\n")
    fetch_torch(requirements, tmp_path / "wheels", index, lambda line: None)
    found = [path.name for path in sorted((tmp_path / "wheels").iterdir())]
    assert found == [f"torch-{VERSION}+cpu-{ANYWHERE}.whl", f"torchvision-0.28.0+cpu-{ANYWHERE}.whl"]


def test_a_build_for_cuda_is_refused(requirements: Path, tmp_path: Path) -> None:
    index = index_with_torch(tmp_path / "index", CUDA, version=VERSION)
    with pytest.raises(ConfigurationError, match=r"only as a build for CUDA.* --torch-index URL"):
        fetch_torch(requirements, tmp_path / "wheels", index, lambda line: None)
    assert list((tmp_path / "wheels").iterdir()) == []
