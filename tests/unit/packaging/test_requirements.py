"""The packages of a bento's image, for machines with and without GPUs."""

from __future__ import annotations

from pathlib import Path

import pytest

from jubako.backends.declarations import BACKENDS
from jubako.environments.torch_build import is_for_cuda
from jubako.errors import ConfigurationError
from jubako.packaging.entries import parts_of
from jubako.packaging.locks import CORE, Variant, pins
from jubako.packaging.requirements import Packages, packages_of_image
from jubako.packaging.system import package_name
from jubako.repository.repository import read_repository

GRAPH = """
backend: ensemble
inputs: [{name: a, datatype: FP32, shape: [-1]}]
outputs: [{name: b, datatype: FP32, shape: [-1]}]
engine: {steps: [{model: net, inputs: {a: a}, outputs: {b: b}}]}
"""
ENTRIES = {
    "net": "backend: torch\n",
    "graph": GRAPH,
    "asking": "backend: python\nenvironment: {packages: ['torch>=2']}\n",
    "plain": "backend: python\n",
    "on-gpus": "backend: lmdeploy\n",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A PyTorch model, one that needs it, Python code that asks for PyTorch itself or does not, and a model for GPUs only."""
    for name, text in ENTRIES.items():
        (tmp_path / name / "1").mkdir(parents=True)
        (tmp_path / name / "model.yaml").write_text(text)
        (tmp_path / name / "1" / "model.py").write_text("class Model:\n    def infer(self, a):\n        return a\n")
    (tmp_path / "net" / "1" / "model.pt").write_text("")
    return tmp_path


def packages(root: Path, name: str, variant: Variant) -> Packages:
    repository = read_repository(root, BACKENDS)
    assert repository.problems == []
    return packages_of_image(parts_of(repository, repository.models[name].latest), variant, lambda line: None)


@pytest.mark.parametrize("variant", ["cpu", "cuda"])
def test_an_engine_has_its_own_lock_and_nothing_more(root: Path, variant: Variant) -> None:
    assert packages(root, "net", variant) == Packages(pins(f"torch-{variant}"), [], variant)


@pytest.mark.parametrize("variant", ["cpu", "cuda"])
def test_what_a_model_needs_is_of_the_same_variant(root: Path, variant: Variant) -> None:
    found = packages(root, "graph", variant)
    assert found.variant == variant
    assert {*found.own, *found.more} == {*pins(CORE), *pins(f"torch-{variant}")}


@pytest.mark.parametrize("variant", ["cpu", "cuda"])
def test_pytorch_that_code_asks_for_is_of_the_variant_too(root: Path, variant: Variant) -> None:
    found = packages(root, "asking", variant)
    assert found.variant == variant
    assert {"torch", "sympy"} <= {package_name(pin) for pin in found.more}
    assert bool([pin for pin in found.more if is_for_cuda(pin)]) == (variant == "cuda")
    assert ("triton" in {package_name(pin) for pin in found.more}) == (variant == "cuda")


def test_without_pytorch_there_are_no_variants(root: Path) -> None:
    assert packages(root, "plain", "cpu") == packages(root, "plain", "cuda") == Packages(pins(CORE), [], None)


def test_what_runs_on_gpus_only_is_refused_without(root: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"An image for lmdeploy has no variant 'cpu'; there is cuda\."):
        packages(root, "on-gpus", "cpu")
