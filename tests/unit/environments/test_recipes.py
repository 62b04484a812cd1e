"""The files that say what environments hold, and which of them fits a machine."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from jubako.environments.recipe import DATA, Machine, choose_variant, every_recipe, lock_of
from jubako.errors import ConfigurationError

VARIANTS = [(backend, variant) for backend, recipe in every_recipe().items() for variant in recipe.variants]

LINUX = Machine("linux", "x86_64", "")
LINUX_WITH_GPU = Machine("linux", "x86_64", "cuda")
MAC = Machine("darwin", "arm64", "")


@pytest.mark.parametrize(("backend", "variant"), VARIANTS)
def test_every_variant_has_a_lock_that_pins_what_it_asks_for(backend: str, variant: str) -> None:
    lock = lock_of(backend, variant).read_text().splitlines()
    pinned = {line.partition("==")[0] for line in lock}
    packages = every_recipe()[backend].variants[variant]
    wanted = {re.split(r"[=<>;\[]", requirement)[0].strip() for requirement in packages.requirements}
    assert wanted <= pinned
    assert {"jinja2", "msgspec", "numpy", "uvloop"} <= pinned
    assert not pinned & set(packages.without)


@pytest.mark.parametrize("lock", sorted(DATA.glob("*.lock")), ids=lambda lock: lock.stem)
def test_a_lock_has_a_version_on_each_line_and_nothing_of_one_place(lock: Path) -> None:
    for line in lock.read_text().splitlines():
        assert re.fullmatch(r"[a-z0-9.-]+==[A-Za-z0-9.]+( ; .+)?", line), line


@pytest.mark.parametrize(("backend", "variant"), [each for each in VARIANTS if each[1] == "cpu"])
def test_no_lock_for_the_cpu_has_packages_for_cuda(backend: str, variant: str) -> None:
    assert not re.search(r"^(nvidia|cuda)-", lock_of(backend, variant).read_text(), re.MULTILINE)


@pytest.mark.parametrize(
    ("backend", "machine", "variant"),
    [
        ("vllm", LINUX, "cpu"),
        ("vllm", LINUX_WITH_GPU, "cuda"),
        ("transformers", LINUX, "cpu"),
        ("transformers", MAC, "cpu"),
        ("lmdeploy", LINUX_WITH_GPU, "cuda"),
        ("python", MAC, "any"),
    ],
)
def test_the_best_variant_for_a_machine(backend: str, machine: Machine, variant: str) -> None:
    assert choose_variant(backend, None, machine) == variant


def test_a_variant_that_is_named_is_taken_on_any_machine() -> None:
    assert choose_variant("vllm", "cpu", LINUX_WITH_GPU) == "cpu"
    assert choose_variant("lmdeploy", "cuda", LINUX) == "cuda"


@pytest.mark.parametrize(
    ("backend", "name", "machine", "message"),
    [
        (
            "lmdeploy",
            None,
            LINUX,
            "on this machine, linux on x86_64 without an NVIDIA GPU: it needs linux on x86_64 with an NVIDIA",
        ),
        ("vllm", None, MAC, "There is no environment for vllm on this machine, darwin on arm64"),
        ("vllm", "rocm", LINUX, "has no variant 'rocm'; there is cuda and cpu"),
    ],
)
def test_a_machine_without_a_variant_is_told_what_it_lacks(
    backend: str, name: str | None, machine: Machine, message: str
) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        choose_variant(backend, name, machine)
