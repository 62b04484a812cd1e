"""Pins the packages of every image: ``python -m jubako.packaging.lock [NAME ...]``, from the project's own folder.

An image holds what the gateway and the runner need and what one engine needs. A lock has a version a line: no addresses, and no
digests of the files of one kind of machine.
"""

from __future__ import annotations

import sys
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from jubako.environments.recipe import lock_of, recipe_of
from jubako.environments.uv import Say, run_uv
from jubako.packaging.locks import CORE, LOCKS, PYTHON

PLATFORM = "x86_64-manylinux_2_28"
"""What images are made of. Their packages for other processors are the same, but for those of CUDA."""

WITHOUT = ("uv",)
"""What makes environments is not needed where one has been made."""

EXTRAS: Mapping[str, tuple[str, ...]] = {
    CORE: (),
    "gateway": ("examples", "llama-cpp", "onnx", "sklearn"),
    "llama_cpp": ("llama-cpp",),
    "onnx": ("onnx",),
    "sklearn": ("sklearn",),
}
"""By the name of a lock: the optional dependencies of jubako that it holds. `gateway` is the whole repository's."""

ON_CUDA = ("lmdeploy", "torch", "transformers", "vllm")
"""Backends whose lock holds the packages of the environment that ``jubako env create`` makes for them on an NVIDIA GPU."""


def main(names: Sequence[str]) -> None:
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    for name in names or [*EXTRAS, *ON_CUDA]:
        sys.stderr.write(f"{name}\n")
        wanted: list[str] = list(project["dependencies"])
        for extra in EXTRAS.get(name, ()):
            wanted += project["optional-dependencies"][extra]
        pins = Path("constraints.txt").read_text(encoding="utf-8").splitlines()
        if name in ON_CUDA:
            wanted += recipe_of(name).variants["cuda"].requirements
            pins = _over(pins, lock_of(name, "cuda").read_text(encoding="utf-8").splitlines())
        lines = resolved(wanted, pins, _say)
        (LOCKS / f"{name}.txt").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _over(pins: Sequence[str], engine: Sequence[str]) -> list[str]:
    """The engine's pins, and those of `pins` for packages that it does not pin."""
    pinned = {line.partition("==")[0] for line in engine}
    return [*engine, *(line for line in pins if line.partition("==")[0] not in pinned)]


def resolved(wanted: Sequence[str], preferred: Sequence[str], say: Say) -> list[str]:
    """`wanted` with all that it needs, pinned, for images.

    Args:
        preferred: Pins that are kept wherever they go together.

    Raises:
        ConfigurationError: there is no such set of packages; the message is uv's.
    """
    with tempfile.TemporaryDirectory() as folder:
        files = {name: Path(folder, name) for name in ("wanted.in", "pins.txt", "excludes.in")}
        # uv keeps to the versions of the file that it writes wherever they go together.
        for file, lines in zip(files.values(), (wanted, preferred, WITHOUT), strict=True):
            file.write_text("\n".join(lines), encoding="utf-8")
        arguments = ["pip", "compile", "--quiet", "--python-version", PYTHON, "--python-platform", PLATFORM, "--no-header"]
        arguments += ["--no-annotate", "--no-emit-index-url", "--excludes", str(files["excludes.in"])]
        run_uv([*arguments, "--output-file", str(files["pins.txt"]), str(files["wanted.in"])], folder=Path(folder), say=say)
        lines = files["pins.txt"].read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith(("#", "-"))]


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
