"""What an environment for a backend holds, on each kind of machine: the files in ``data``."""

from __future__ import annotations

import platform
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from jubako.errors import ConfigurationError

DATA = Path(__file__).parent / "data"
INSTANCE = "instance"
"""The recipe of what every instance needs; every other one includes it."""

NVIDIA_DEVICES = (Path("/dev/nvidiactl"), Path("/proc/driver/nvidia/version"))
"""One of these is there where the driver of an NVIDIA GPU is, in a container too."""


class Machine(Struct, frozen=True):
    """As Python names it: `os` such as ``linux`` or ``darwin``, `machine` such as ``x86_64``; `accelerator` is "" for none."""

    os: str
    machine: str
    accelerator: str


class Variant(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The packages for one kind of machine.

    Attributes:
        os: The systems that it is for; empty for every one. `machine` likewise.
        accelerator: What it can't do without.
        requirements: What to install, under the constraints of its lock.
        torch: A requirement of torch that must be a build without CUDA, which only pip's configuration knows where to find; "" if
            any will do.
        without: Packages that are left out although others ask for them.
        size_gib: About what it takes on the disk.
    """

    requirements: tuple[str, ...]
    size_gib: float
    os: tuple[str, ...] = ()
    machine: tuple[str, ...] = ()
    accelerator: Literal["", "cuda"] = ""
    torch: str = ""
    without: tuple[str, ...] = ()

    def fits(self, machine: Machine) -> bool:
        return (
            machine.os in (self.os or (machine.os,))
            and machine.machine in (self.machine or (machine.machine,))
            and self.accelerator in ("", machine.accelerator)
        )


class Recipe(Struct, frozen=True, forbid_unknown_fields=True):
    """One file. `modules` must be importable in what is made by it; the first of `variants` that fits a machine is its best."""

    modules: tuple[str, ...]
    variants: dict[str, Variant]


def recipe_of(backend: str) -> Recipe:
    """The backend's own, or that of every instance."""
    file = DATA / f"{backend}.toml"
    return _read(file if file.is_file() else DATA / f"{INSTANCE}.toml")


def has_recipe(backend: str) -> bool:
    """Whether the backend needs other packages than every instance does."""
    return backend != INSTANCE and (DATA / f"{backend}.toml").is_file()


def every_recipe() -> dict[str, Recipe]:
    """All there are, by their backends."""
    return {file.stem: _read(file) for file in sorted(DATA.glob("*.toml"))}


def instance_requirements() -> tuple[str, ...]:
    """What every instance imports."""
    return recipe_of(INSTANCE).variants["any"].requirements


def lock_of(backend: str, variant: str) -> Path:
    """The file with the pinned versions of a variant."""
    file = DATA / f"{backend}-{variant}.lock"
    return file if has_recipe(backend) else DATA / f"{INSTANCE}-any.lock"


def choose_variant(backend: str, name: str | None, machine: Machine) -> str:
    """The variant called `name`, or the best for `machine`.

    Raises:
        ConfigurationError: there is none.
    """
    variants = recipe_of(backend).variants
    if name is not None:
        if name not in variants:
            raise ConfigurationError(f"An environment for {backend} has no variant {name!r}; there is {_listed(variants)}.")
        return name
    for each, variant in variants.items():
        if variant.fits(machine):
            return each
    needs = " or ".join(_conditions(variant) for variant in variants.values())
    raise ConfigurationError(
        f"There is no environment for {backend} on this machine, {_shown(machine)}: it needs {needs}. "
        "To make one all the same, for another machine of the same kind, name its variant with --variant."
    )


def fits_here(backend: str, variant: str) -> bool:
    """Whether this machine can run what was made by the variant."""
    found = recipe_of(backend).variants.get(variant)
    return found is not None and found.fits(this_machine())


def this_machine() -> Machine:
    """Where this process runs."""
    accelerator = "cuda" if any(device.exists() for device in NVIDIA_DEVICES) else ""
    return Machine(sys.platform, platform.machine(), accelerator)


def _read(file: Path) -> Recipe:
    return msgspec.convert(tomllib.loads(file.read_text(encoding="utf-8")), Recipe)


def _conditions(variant: Variant) -> str:
    parts = [
        " or ".join(variant.os) if variant.os else "any system",
        f"on {' or '.join(variant.machine)}" if variant.machine else "",
        "with an NVIDIA GPU" if variant.accelerator else "",
    ]
    return " ".join(filter(None, parts))


def _shown(machine: Machine) -> str:
    return f"{machine.os} on {machine.machine} {'with' if machine.accelerator else 'without'} an NVIDIA GPU"


def _listed(names: Sequence[str] | dict[str, Variant]) -> str:
    return " and ".join(names)
