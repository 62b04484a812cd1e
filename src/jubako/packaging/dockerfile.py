"""The Dockerfile of an image, from what the bento declares."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from jinja2 import Environment, StrictUndefined

USER = 1034
"""The user, and the group, that the processes of an image are; BentoML's own number."""

BENTO = "/home/bentoml/bento"
"""Where the bento is in an image."""

HTTP_PORT = 3000
GRPC_PORT = 50051

FRAMEWORK = "framework"
"""The folder of the build's context with jubako itself, at its path in the image."""

CODE = "code"
"""That with the rest of the bento."""

WEIGHTS = "weights"
"""That with the weights, at their paths in the image; there is none where the bento has no weights."""

UV = "uv"
"""The file of the build's context with the program uv, which installs packages; without it, the image's pip fetches one."""

WHEELS = "wheels"
"""That with wheels that are installed in place of what an index has for their pins."""

# Neither a shell nor curl is needed.
_HEALTH_CHECK = (
    "import os, urllib.request as r; "
    f'r.urlopen(f\'http://127.0.0.1:{{os.environ.get("JUBAKO_PORT", "{HTTP_PORT}")}}/readyz\', timeout=4)'
)

_INDEX_SETTING = re.compile(
    r"UV_(DEFAULT_INDEX|INDEX|INDEX_URL|EXTRA_INDEX_URL|INDEX_STRATEGY|INSECURE_HOST|INDEX_\w+_(USERNAME|PASSWORD))"
    r"|PIP_(INDEX_URL|EXTRA_INDEX_URL|TRUSTED_HOST)"
)

_FOR_UV = {"PIP_INDEX_URL": "UV_DEFAULT_INDEX", "PIP_EXTRA_INDEX_URL": "UV_INDEX"}
"""What pip's settings are called by uv, which does not read pip's."""


@dataclass(frozen=True, kw_only=True)
class Declared:
    """What a bento declares of its image.

    Attributes:
        commands: What prepares the system, as a shell reads it; `post_commands` run after packages are installed.
        environment: Variables of the image.
        labels: Of the image.
    """

    base_image: str
    python_version: str
    commands: Iterable[str] = ()
    post_commands: Iterable[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)


def dockerfile(declared: Declared, *, weights: bool, brings_uv: bool, secrets: Iterable[str], brings_wheels: bool = False) -> str:
    """The text of the Dockerfile.

    Args:
        weights: Whether the context has weights.
        brings_uv: Whether it has uv.
        brings_wheels: Whether it has wheels.
        secrets: Names of variables that only the installation of packages sees, as secrets of the build.
    """
    names = sorted(secrets)
    text = (Path(__file__).parent / "Dockerfile.j2").read_text(encoding="utf-8")
    environment = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)  # noqa: S701 - it is no HTML
    environment.filters["quoted"] = _quoted
    template = environment.from_string(text)
    return template.render(
        base_image=declared.base_image,
        python_version=declared.python_version,
        commands=list(declared.commands),
        post_commands=list(declared.post_commands),
        environment=dict(declared.environment),
        labels=dict(declared.labels),
        weights=weights,
        brings_uv=brings_uv,
        brings_wheels=brings_wheels,
        secret_mounts="".join(f"--mount=type=secret,id={name} " for name in names),
        secret_exports="".join(_export(name, names) for name in names),
        health_check=["/app/.venv/bin/python", "-I", "-c", _HEALTH_CHECK],
        user=USER,
        bento=BENTO,
        http_port=HTTP_PORT,
        grpc_port=GRPC_PORT,
    )


def index_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """What `environment` says of package indexes: it may hold passwords, and goes into no file of an image."""
    return {name: value for name, value in environment.items() if value and _INDEX_SETTING.fullmatch(name)}


def _quoted(value: str) -> str:
    """`value` as ENV and LABEL take it, literally; there are no line breaks in them, so those are spaces."""
    return '"' + re.sub(r'(["$\\])', r"\\\1", " ".join(value.splitlines())) + '"'


def _export(name: str, names: Iterable[str]) -> str:
    """`name` as uv and pip read it, for one command of a shell."""
    called = [name, *([_FOR_UV[name]] if name in _FOR_UV and _FOR_UV[name] not in names else [])]
    return "".join(f'{each}="$(cat /run/secrets/{name})" ' for each in called)
