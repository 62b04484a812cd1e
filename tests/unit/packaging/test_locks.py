"""Locks and services: each backend has both, and an image holds what its models need and nothing of other engines."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from jubako.backends.declarations import BACKENDS
from jubako.packaging.lock import EXTRAS, ON_CUDA, WITHOUT
from jubako.packaging.locks import CORE, LOCKS, lock_for, pins
from jubako.packaging.system import package_name, system_packages
from jubako.paths import shipped

PROJECT = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
NAMES = sorted(path.stem for path in LOCKS.glob("*.txt"))
SHIPPED = sorted(BACKENDS.keys() - {"echo"})
HEAVY = {"lmdeploy", "onnxruntime", "opencv-python", "scikit-learn", "torch", "transformers", "vllm", "xllamacpp"}


def test_there_is_a_lock_for_each_name_that_the_program_knows() -> None:
    assert set(NAMES) == {*EXTRAS, *ON_CUDA}


@pytest.mark.parametrize("name", NAMES)
def test_a_lock_is_a_version_a_line(name: str) -> None:
    for line in pins(name):
        assert re.fullmatch(r"[a-z0-9-]+==[^\s;]+( ; .+)?", line), line


@pytest.mark.parametrize("name", NAMES)
def test_a_lock_has_all_that_jubako_itself_needs_but_what_makes_environments(name: str) -> None:
    needed = {package_name(each) for each in PROJECT["dependencies"]} - set(WITHOUT)
    assert needed <= {package_name(each) for each in pins(name)}
    assert "uv" not in {package_name(each) for each in pins(name)}


@pytest.mark.parametrize("backend", SHIPPED)
def test_a_backend_has_a_service_whose_image_has_its_packages(backend: str) -> None:
    code = (shipped("services") / f"{backend}.py").read_text()
    assert f'image=image("{lock_for(backend)}")' in code
    assert f'settings_for("{backend}")' in code
    held = {package_name(each) for each in pins(lock_for(backend))}
    wanted = {package_name(each) for each in PROJECT["optional-dependencies"].get(BACKENDS[backend].extra, [])}
    assert wanted <= held


@pytest.mark.parametrize(("name", "engines"), [(CORE, set()), ("llama_cpp", {"xllamacpp"}), ("onnx", {"onnxruntime"})])
def test_an_image_has_no_engine_but_its_own(name: str, engines: set[str]) -> None:
    assert {package_name(each) for each in pins(name)} & HEAVY == engines


def test_debian_provides_what_packages_need_and_do_not_bring() -> None:
    assert system_packages(["numpy==2.4.6", "xllamacpp==1"]) == ["libgomp1"]
    assert system_packages(["OpenCV_Python>=4.8 ; python_version > '3'"]) == ["libgl1", "libglib2.0-0"]
    assert system_packages(pins(CORE)) == []
