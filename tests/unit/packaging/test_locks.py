"""Locks and services: each backend has both, and an image holds what its models need and nothing of other engines."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from jubako.backends.declarations import BACKENDS
from jubako.environments.recipe import lock_of
from jubako.environments.torch_build import is_for_cuda
from jubako.errors import ConfigurationError
from jubako.packaging.lock import WITHOUT, every_lock
from jubako.packaging.locks import CORE, LOCKS, Variant, lock_for, pins, variants_of
from jubako.packaging.system import package_name, system_packages
from jubako.paths import shipped

PROJECT = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
NAMES = sorted(path.stem for path in LOCKS.glob("*.txt"))
SHIPPED = sorted(BACKENDS.keys() - {"echo"})
HEAVY = {"lmdeploy", "onnxruntime", "opencv-python", "scikit-learn", "torch", "transformers", "vllm", "xllamacpp"}


def test_there_is_a_lock_for_each_name_that_the_program_knows() -> None:
    assert set(NAMES) == {name for name, _, _ in every_lock()}


@pytest.mark.parametrize("name", NAMES)
def test_a_lock_is_a_version_a_line(name: str) -> None:
    for line in pins(name):
        assert re.fullmatch(r"[a-z0-9-]+==[^\s;]+( ; .+)?", line), line


@pytest.mark.parametrize("name", NAMES)
def test_a_lock_has_all_that_jubako_itself_needs_but_what_makes_environments(name: str) -> None:
    needed = {package_name(each) for each in [*PROJECT["dependencies"], *pins(CORE)]} - set(WITHOUT)
    assert needed <= {package_name(each) for each in pins(name)}
    assert "uv" not in {package_name(each) for each in pins(name)}


@pytest.mark.parametrize("backend", SHIPPED)
def test_a_backend_has_a_service_whose_image_has_its_packages(backend: str) -> None:
    code = (shipped("services") / f"{backend}.py").read_text()
    [image] = re.findall(r'image=image\("(\w+)"\)', code)
    assert lock_for(image) == lock_for(backend)
    assert f'settings_for("{backend}")' in code
    held = {package_name(each) for each in pins(lock_for(backend))}
    wanted = {package_name(each) for each in PROJECT["optional-dependencies"].get(BACKENDS[backend].extra, [])}
    assert wanted <= held


@pytest.mark.parametrize(("name", "engines"), [(CORE, set()), ("llama_cpp", {"xllamacpp"}), ("onnx", {"onnxruntime"})])
def test_an_image_has_no_engine_but_its_own(name: str, engines: set[str]) -> None:
    assert {package_name(each) for each in pins(name)} & HEAVY == engines


@pytest.mark.parametrize("backend", SHIPPED)
def test_a_service_wants_a_gpu_for_the_variant_that_is_for_gpus(backend: str) -> None:
    code = (shipped("services") / f"{backend}.py").read_text()
    expected: dict[tuple[Variant, ...], str] = {(): "", ("cuda",): '"gpu": 1', ("cpu", "cuda"): "**on_cuda(gpu=1)"}
    wanted = expected[tuple(variants_of(backend))]
    assert [text for text in expected.values() if text and text in code] == ([wanted] if wanted else [])


@pytest.mark.parametrize("engine", ["torch", "transformers", "vllm"])
def test_an_engine_has_the_same_pytorch_with_and_without_cuda(engine: str) -> None:
    cpu, cuda = pins(lock_for(engine, "cpu")), pins(lock_for(engine, "cuda"))
    assert lock_for(engine) == f"{engine}-cuda"
    [torch] = [pin for pin in cpu if package_name(pin) == "torch"]
    assert torch in cuda
    assert "+" not in torch
    names = {package_name(pin) for pin in cpu}
    assert not [pin for pin in cpu if is_for_cuda(pin)]
    assert not names & {"torchaudio", "torchcodec", "torchvision", "triton"}
    assert [pin for pin in cuda if is_for_cuda(pin)]


@pytest.mark.parametrize("engine", ["torch", "transformers"])
def test_an_image_has_the_versions_of_the_environment(engine: str) -> None:
    pinned = {line.partition(" ")[0] for line in lock_of(engine, "cpu").read_text().splitlines()}
    held = {package_name(pin): pin for pin in pins(lock_for(engine, "cpu"))}
    both = {package_name(pin) for pin in pinned} & held.keys()
    assert {"torch", "safetensors"} <= both
    assert {held[name] for name in both} <= pinned


def test_a_variant_that_an_engine_does_not_have_is_refused_and_means_nothing_without_an_engine() -> None:
    with pytest.raises(ConfigurationError, match=r"An image for lmdeploy has no variant 'cpu'; there is cuda\."):
        lock_for("lmdeploy", "cpu")
    assert lock_for("python", "cpu") == lock_for("python", "cuda") == CORE
    assert lock_for("onnx", "cpu") == lock_for("onnx", "cuda") == "onnx"


def test_debian_provides_what_packages_need_and_do_not_bring() -> None:
    assert system_packages(["numpy==2.4.6", "xllamacpp==1"]) == ["libgomp1"]
    assert system_packages(["OpenCV_Python>=4.8 ; python_version > '3'"]) == ["libgl1", "libglib2.0-0"]
    assert system_packages(pins(CORE)) == []
