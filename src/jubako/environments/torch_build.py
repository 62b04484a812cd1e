"""Finding a build of torch without CUDA.

Where those lie differs from place to place: PyTorch keeps them in an index of its own, companies and images mirror that, and
pip's configuration says where. uv reads none of that, so pip is asked which file it would take, and uv installs that file.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
from msgspec import Struct

from jubako.environments.uv import Say, run_program, run_uv
from jubako.errors import ConfigurationError

# nvidia-ml-py is Python code that asks the driver, if there is one; BentoML needs it everywhere.
_CUDA = re.compile(r"(nvidia-(?!ml-py)|cuda-)", re.IGNORECASE)


def is_for_cuda(requirement: str) -> bool:
    """Whether a package is one of those that make up CUDA, which builds of torch for it ask for."""
    return _CUDA.match(requirement) is not None


class Download(Struct, frozen=True):
    url: str


class Metadata(Struct, frozen=True):
    version: str
    requires_dist: list[str] = []


class Candidate(Struct, frozen=True):
    download_info: Download
    metadata: Metadata


class Report(Struct, frozen=True):
    """The part of pip's installation report (version 1) that matters here."""

    install: list[Candidate]


def torch_without_cuda(requirement: str, python: Path, index: str, *, say: Say, held: Sequence[int]) -> str:
    """The requirement of the very file that pip would take for the interpreter `python`, for uv.

    Args:
        index: Where to look instead of where pip's configuration says; "" for there.
        held: See :func:`run_uv`.

    Raises:
        ConfigurationError: pip finds none, or only one for CUDA.
    """
    [found] = _found(_Pip.beside(python, index, say, held), [requirement])
    return f"torch @ {found.download_info.url}"


def fetch_torch_without_cuda(
    requirements: Sequence[str], python: str, platforms: Sequence[str], folder: Path, index: str = "", *, say: Say
) -> list[Path]:
    """Download the wheels that pip would take on machines of another kind than this into `folder`, which is empty.

    Args:
        requirements: Of torch, and of what is built with it, such as torchvision.
        python: Their version of Python, such as ``3.11``.
        platforms: What their wheels may be for, such as ``manylinux_2_28_x86_64``.
        index: As above.

    Raises:
        ConfigurationError: pip finds none, or only one for CUDA.
    """
    for_them = [f"--platform={platform}" for platform in platforms]
    arguments = [*for_them, f"--python-version={python}", "--only-binary=:all:", *requirements]
    with tempfile.TemporaryDirectory(prefix="jubako-pip-") as temporary:
        run_uv(["venv", "--quiet", "--no-project", "--python", sys.executable, temporary], folder=folder, say=say)
        pip = _Pip.beside(Path(temporary, "bin", "python"), index, say)
        # Looked at first: a build for CUDA is large.
        _found(pip, arguments)
        pip.run("download", "--dest", str(folder), *arguments)
    return sorted(folder.iterdir())


@dataclass(frozen=True)
class _Pip:
    """pip in the environment of an interpreter."""

    python: Path
    index: str
    say: Say
    held: Sequence[int]

    @staticmethod
    def beside(python: Path, index: str, say: Say, held: Sequence[int] = ()) -> _Pip:
        """Installs it there."""
        run_uv(["pip", "install", "--python", str(python), "pip"], folder=python.parent, say=say, held=held)
        return _Pip(python, index, say, held)

    def run(self, command: str, *arguments: str) -> str:
        options = ["--no-deps", "--quiet", "--disable-pip-version-check", *(["--index-url", self.index] if self.index else [])]
        words = [str(self.python), "-m", "pip", command, *options, *arguments]
        return run_program(words, folder=self.python.parent, say=self.say, held=self.held)


def _found(pip: _Pip, arguments: Sequence[str]) -> list[Candidate]:
    """What pip would install, one for each requirement.

    Raises:
        ConfigurationError: it would not, or a build for CUDA.
    """
    report = pip.run("install", "--dry-run", "--ignore-installed", "--report", "-", *arguments)
    candidates = msgspec.json.decode(report, type=Report).install
    for found in candidates:
        if any(is_for_cuda(needed) for needed in found.metadata.requires_dist):
            raise ConfigurationError(
                f"pip finds torch {found.metadata.version} only as a build for CUDA, which is gigabytes larger than what this "
                "variant wants. Name an index of builds without CUDA with --torch-index URL, or once for all in pip's own "
                "configuration: pip config set global.extra-index-url URL. PyTorch's own is on pytorch.org, Get Started, CPU."
            )
    return candidates
