"""Finding a build of torch without CUDA.

Where those lie differs from place to place: PyTorch keeps them in an index of its own, companies and images mirror that, and
pip's configuration says where. uv reads none of that, so pip is asked which file it would take, and uv installs that file.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from jubako.environments.uv import Say, run_program, run_uv
from jubako.errors import ConfigurationError

_CUDA = re.compile(r"(nvidia|cuda)-", re.IGNORECASE)


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
    folder = python.parent
    run_uv(["pip", "install", "--python", str(python), "pip"], folder=folder, say=say, held=held)
    command = [str(python), "-m", "pip", "install", "--dry-run", "--no-deps", "--ignore-installed", "--report", "-", "--quiet"]
    command += ["--disable-pip-version-check", *(["--index-url", index] if index else []), requirement]
    found = msgspec.json.decode(run_program(command, folder=folder, say=say, held=held), type=Report).install[0]
    if any(_CUDA.match(needed) for needed in found.metadata.requires_dist):
        raise ConfigurationError(
            f"pip finds torch {found.metadata.version} only as a build for CUDA, which is gigabytes larger than what this "
            "variant wants. Name an index of builds without CUDA with --torch-index URL, or once for all in pip's own "
            "configuration: pip config set global.extra-index-url URL. PyTorch's own is on pytorch.org, Get Started, CPU."
        )
    return f"torch @ {found.download_info.url}"
