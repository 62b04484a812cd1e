"""Making an environment, once, whoever else wants it at the same time and whoever was stopped on the way."""

from __future__ import annotations

import errno
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import msgspec
from msgspec import Struct

from jubako.environments.interpreters import ask
from jubako.environments.recipe import has_recipe
from jubako.environments.record import Environments, Record
from jubako.environments.torch_build import torch_without_cuda
from jubako.environments.uv import run_uv
from jubako.environments.wanted import Wanted
from jubako.errors import ConfigurationError

GIB = 1024**3


class Steps(Protocol):
    """Is told how far the making is."""

    def step(self, title: str) -> None:
        """Another step begins."""

    def say(self, line: str) -> None:
        """A line that the program which does the step wrote."""


class Made(Struct, frozen=True):
    """`reused`: it was there already."""

    record: Record
    reused: bool


class Installed(Struct, frozen=True):
    """A package, as uv lists it."""

    name: str
    version: str


def create(
    wanted: Wanted, environments: Environments, steps: Steps, *, general: bool, modules: Sequence[str], torch_index: str = ""
) -> Made:
    """The environment with this content: the one that is there, else a new one.

    Args:
        general: See :class:`Record`.
        modules: What must be found in it.
        torch_index: An index of torch's builds without CUDA; "" leaves that to pip's configuration.

    Raises:
        ConfigurationError: it can't be made. Nothing half-made is left in use.
    """

    def waiting() -> None:
        steps.step(f"Another process is making {wanted.name}; waiting for it")

    with environments.lock(wanted.name, waiting) as lock:
        found = environments.find(wanted.name)
        if found is not None and _is_sound(environments.interpreter(wanted.name), modules):
            record = msgspec.structs.replace(found, general=found.general or general, asked_at=time.time())
            environments.write(record)
            return Made(record, reused=True)
        environments.remove(wanted.name)
        try:
            versions = _build(wanted, environments, steps, lock, torch_index)
            steps.step("Looking whether all of it is there")
            _need_modules(environments.interpreter(wanted.name), modules)
            record = _record(wanted, versions, general)
            environments.write(record)
        except OSError as error:
            environments.remove(wanted.name)
            raise ConfigurationError(f"{wanted.name} could not be made: {_reason(error)}.") from None
        except BaseException:
            environments.remove(wanted.name)
            raise
        return Made(record, reused=False)


def _build(wanted: Wanted, environments: Environments, steps: Steps, lock: int, torch_index: str) -> dict[str, str]:
    root, python = environments.root, str(environments.interpreter(wanted.name))
    _need_space(root, wanted)
    steps.step(f"Making a virtual environment for Python {wanted.python}")
    folder = str(environments.folder(wanted.name))
    make = ["venv", "--quiet", "--no-project", "--python", wanted.interpreter, folder]
    run_uv(make, folder=root, say=steps.say, held=[lock])
    requirements = list(wanted.requirements)
    if wanted.recipe.torch:
        steps.step(f"Looking for a build of {wanted.recipe.torch} without CUDA")
        requirements.append(torch_without_cuda(wanted.recipe.torch, Path(python), torch_index, say=steps.say, held=[lock]))
    steps.step(f"Installing {_contents(wanted)}")
    install = ["pip", "install", "--python", python, "--constraints", str(wanted.lock)]
    if wanted.recipe.without:
        left_out = environments.folder(wanted.name) / "left-out.txt"
        left_out.write_text("\n".join(wanted.recipe.without), encoding="utf-8")
        install += ["--excludes", str(left_out)]
    run_uv([*install, *requirements], folder=root, say=steps.say, held=[lock])
    return installed_versions(Path(python), root)


def _contents(wanted: Wanted) -> str:
    engine = wanted.recipe.requirements if has_recipe(wanted.backend) else ("what every model needs",)
    return ", ".join([*engine, *wanted.packages])


def installed_versions(python: Path, folder: Path) -> dict[str, str]:
    """The version of each package in the environment of `python`; `folder` is any that exists."""
    output = run_uv(["pip", "list", "--format", "json", "--python", str(python)], folder=folder, say=_silently)
    return {each.name: each.version for each in msgspec.json.decode(output, type=list[Installed])}


def _silently(line: str) -> None:
    pass


def _record(wanted: Wanted, versions: dict[str, str], general: bool) -> Record:
    return Record(
        name=wanted.name,
        backend=wanted.backend,
        variant=wanted.variant,
        python=wanted.python,
        packages=wanted.packages,
        general=general,
        asked_at=time.time(),
        versions=versions,
    )


def _need_space(root: Path, wanted: Wanted) -> None:
    free, needed = shutil.disk_usage(root).free / GIB, wanted.recipe.size_gib
    if free < needed:
        raise ConfigurationError(
            f"{wanted.name} needs about {needed:g} GiB in {root}, where {free:.1f} GiB are free. "
            "Make room there, or name another folder for the cache with JUBAKO_CACHE_DIR."
        )


def _is_sound(python: Path, modules: Sequence[str]) -> bool:
    try:
        return not ask(python, modules).missing
    except ConfigurationError:
        return False


def _need_modules(python: Path, modules: Sequence[str]) -> None:
    if missing := ask(python, modules).missing:
        raise ConfigurationError(f"The environment was made, but {', '.join(missing)} can't be found in it.")


def _reason(error: OSError) -> str:
    return "the disk is full" if error.errno == errno.ENOSPC else error.strerror or str(error)
