"""Pins the versions of every variant: ``python -m jubako.environments.lock [BACKEND-VARIANT ...]``.

Each variant is resolved for every machine that it is for, and its lock has a version a line: no addresses, and no digests of the
files of one kind of machine.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from jubako.environments.recipe import DATA, Variant, every_recipe, instance_requirements
from jubako.environments.torch_build import is_for_cuda
from jubako.environments.uv import run_uv

PYTHON = "3.11"
"""The oldest Python for which the versions must do."""


def main(names: Sequence[str]) -> None:
    for backend, recipe in every_recipe().items():
        for variant, packages in recipe.variants.items():
            name = f"{backend}-{variant}"
            if not names or name in names:
                sys.stderr.write(f"{name}\n")
                (DATA / f"{name}.lock").write_text(_pinned(packages), encoding="utf-8")


def _pinned(variant: Variant) -> str:
    requirements = [*instance_requirements(), *variant.requirements, *([variant.torch] if variant.torch else [])]
    with tempfile.TemporaryDirectory() as folder:
        wanted, overrides, excludes = (Path(folder, name) for name in ("wanted.in", "overrides.in", "excludes.in"))
        wanted.write_text("\n".join(dict.fromkeys(requirements)), encoding="utf-8")
        # A build of torch without CUDA has a version that the public index does not have.
        overrides.write_text(variant.torch, encoding="utf-8")
        excludes.write_text("\n".join(variant.without), encoding="utf-8")
        arguments = ["pip", "compile", "--quiet", "--universal", "--python-version", PYTHON, "--no-header"]
        arguments += ["--no-annotate", "--no-emit-index-url", "--overrides", str(overrides), "--excludes", str(excludes)]
        output = run_uv([*arguments, str(wanted)], folder=Path(folder), say=_say)
    lines = [line for line in output.splitlines() if "==" in line]
    return "".join(f"{line}\n" for line in lines if not (variant.torch and is_for_cuda(line)))


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
