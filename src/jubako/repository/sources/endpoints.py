"""Which servers stand behind the schemes, as the environment of the process says."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

from jubako.errors import ConfigurationError

HUGGING_FACE = "https://huggingface.co"
MODELSCOPE = "https://www.modelscope.cn"


@dataclass(frozen=True)
class PackageIndexes:
    """Where Python packages are looked for, in this order: folders or pages of links, then indexes."""

    find_links: tuple[str, ...] = ()
    indexes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Endpoints:
    """The servers of the schemes.

    Attributes:
        hugging_face: ``HF_ENDPOINT``, for ``hf://``.
        hugging_face_token: ``HF_TOKEN``; sent to `hugging_face` and to no other host.
        modelscope: ``MODELSCOPE_ENDPOINT``, for ``modelscope://``.
        packages: For ``pypi://``; None is what pip or uv are told, see :func:`configured_indexes`.
    """

    hugging_face: str = HUGGING_FACE
    hugging_face_token: str | None = field(default=None, repr=False)
    modelscope: str = MODELSCOPE
    packages: PackageIndexes | None = None

    @classmethod
    def of_environment(cls, environment: Mapping[str, str] = os.environ) -> Endpoints:
        return cls(
            hugging_face=environment.get("HF_ENDPOINT", "").rstrip("/") or HUGGING_FACE,
            hugging_face_token=environment.get("HF_TOKEN") or None,
            modelscope=environment.get("MODELSCOPE_ENDPOINT", "").rstrip("/") or MODELSCOPE,
        )


def configured_indexes(environment: Mapping[str, str] = os.environ) -> PackageIndexes:
    """What pip is configured to use, by its environment variables and files; where it says nothing, what uv's variables say.

    Raises:
        ConfigurationError: nothing names an index.
    """
    pip = _pip_configuration(environment)
    index = pip.get("index-url") or environment.get("UV_DEFAULT_INDEX") or environment.get("UV_INDEX_URL") or ""
    extra = f"{pip.get('extra-index-url', '')} {environment.get('UV_EXTRA_INDEX_URL', '')}".split()
    found = PackageIndexes(
        find_links=tuple(f"{pip.get('find-links', '')} {environment.get('UV_FIND_LINKS', '')}".replace(",", " ").split()),
        indexes=() if pip.get("no-index", "").lower() in {"1", "true", "yes", "on"} else (index or _pips_own_index(), *extra),
    )
    if not any((*found.find_links, *found.indexes)):
        raise ConfigurationError("No package index is configured. Set PIP_INDEX_URL to the address of one, or install pip.")
    return PackageIndexes(found.find_links, tuple(index for index in found.indexes if index))


def _pip_configuration(environment: Mapping[str, str]) -> dict[str, str]:
    """pip's merged settings for downloads: files below commands' own sections below the environment, as pip ranks them."""
    settings: dict[str, str] = {}
    ranked: dict[str, list[tuple[str, str]]] = {"global": [], "download": [], ":env:": []}
    for line in _pip("config", "list", environment=environment).splitlines():
        name, _, value = line.partition("=")
        section, _, option = name.partition(".")
        if section in ranked:
            ranked[section].append((option, str(ast.literal_eval(value))))
    for section in ("global", "download", ":env:"):
        settings |= dict(ranked[section])
    return settings


def _pips_own_index() -> str:
    """The index that pip uses when told nothing, which its help names."""
    named = re.search(r"--index-url <url>.*?\(default\s+(https://[^\s)]+)\)", _pip("download", "--help"), re.DOTALL)
    return named[1] if named else ""


def _pip(*arguments: str, environment: Mapping[str, str] = os.environ) -> str:
    """What pip prints; nothing where pip is not installed."""
    # No colours and no wrapping, so that the text can be read.
    quiet = {**environment, "NO_COLOR": "1", "COLUMNS": "400", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    command = [sys.executable, "-m", "pip", *arguments]
    finished = subprocess.run(command, capture_output=True, text=True, env=quiet, check=False, timeout=60)  # noqa: S603 - no shell
    return finished.stdout if finished.returncode == 0 else ""
