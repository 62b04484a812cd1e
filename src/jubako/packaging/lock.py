"""Pins the packages of every image: ``python -m jubako.packaging.lock [NAME ...]``, from the project's own folder.

An image holds what the gateway and the runner need and what one engine needs. A lock has a version a line: no addresses, and no
digests of the files of one kind of machine.
"""

from __future__ import annotations

import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import get_args

from jubako.environments.recipe import lock_of, recipe_of
from jubako.environments.torch_build import is_for_cuda
from jubako.environments.uv import Say, run_uv
from jubako.packaging.locks import CORE, LOCKS, PYTHON, USUAL, Variant
from jubako.packaging.system import package_name

PLATFORM = "x86_64-manylinux_2_28"
"""What images are made of. Their packages for other processors are the same, but for those of CUDA."""

WITHOUT = ("uv",)
"""What makes environments is not needed where one has been made."""

TORCH = "torch"
"""The package that comes in variants."""

WITHOUT_GPU = ("triton",)
"""What compiles for GPUs is not needed where there is none, though others ask for it. 700 MB."""

EXTRAS: Mapping[str, tuple[str, ...]] = {
    CORE: (),
    "gateway": ("examples", "llama-cpp", "onnx", "sklearn"),
    "llama_cpp": ("llama-cpp",),
    "onnx": ("onnx",),
    "sklearn": ("sklearn",),
}
"""By the name of a lock: the optional dependencies of jubako that it holds. `gateway` is the whole repository's."""

ENGINES = ("lmdeploy", "torch", "transformers", "vllm")
"""Backends whose locks hold the packages of the environments that ``jubako env create`` makes for them, one for each variant."""


def main(names: Sequence[str]) -> None:
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    constraints = Path("constraints.txt").read_text(encoding="utf-8").splitlines()
    for name, engine, variant in every_lock():
        if name not in (names or [name]):
            continue
        _say(name)
        wanted: list[str] = list(project["dependencies"])
        if engine:
            recipe = recipe_of(engine).variants[variant]
            wanted += [*recipe.requirements, *filter(None, [recipe.torch])]
            pins = _over(constraints, lock_of(engine, variant).read_text(encoding="utf-8").splitlines())
            lines = resolved(wanted, pins, _say, variant=variant, without=left_out(engine, variant))
        else:
            for extra in EXTRAS[name]:
                wanted += project["optional-dependencies"][extra]
            lines = resolved(wanted, constraints, _say)
        (LOCKS / f"{name}.txt").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def every_lock() -> Iterator[tuple[str, str, Variant]]:
    """Name, engine and variant of each lock; no engine where it is made of optional dependencies."""
    for name in EXTRAS:
        yield name, "", USUAL
    for engine in ENGINES:
        for variant in get_args(Variant):
            if variant in recipe_of(engine).variants:
                yield f"{engine}-{variant}", engine, variant


def _over(pins: Sequence[str], engine: Sequence[str]) -> list[str]:
    """The engine's pins, and those of `pins` for packages that it does not pin."""
    pinned = {line.partition("==")[0] for line in engine}
    return [*engine, *(line for line in pins if line.partition("==")[0] not in pinned)]


def left_out(backend: str, variant: Variant) -> tuple[str, ...]:
    """Packages that the image of a backend does not have although others ask for them."""
    return recipe_of(backend).variants[variant].without if backend in ENGINES else ()


def resolved(
    wanted: Sequence[str],
    preferred: Sequence[str],
    say: Say,
    *,
    variant: Variant = USUAL,
    without: Sequence[str] = (),
) -> list[str]:
    """`wanted` with all that it needs, pinned, for images.

    Args:
        preferred: Pins that are kept wherever they go together.
        variant: For ``cpu`` what only PyTorch with CUDA needs is left out.
        without: Packages that are left out although others ask for them.

    Raises:
        ConfigurationError: there is no such set of packages; the message is uv's.
    """
    excludes = [*WITHOUT, *without, *(WITHOUT_GPU if variant == "cpu" else ())]
    # A build of torch without CUDA has a version that the public index does not have, for which others may ask.
    instead = [line for line in wanted if package_name(line) == TORCH] if variant == "cpu" else []
    with tempfile.TemporaryDirectory() as folder:
        files = {name: Path(folder, name) for name in ("wanted.in", "pins.txt", "excludes.in", "overrides.in")}
        # uv keeps to the versions of the file that it writes wherever they go together.
        for file, lines in zip(files.values(), (wanted, preferred, excludes, instead), strict=True):
            file.write_text("\n".join(lines), encoding="utf-8")
        arguments = ["pip", "compile", "--quiet", "--python-version", PYTHON, "--python-platform", PLATFORM, "--no-header"]
        arguments += ["--no-annotate", "--no-emit-index-url", "--excludes", str(files["excludes.in"])]
        arguments += ["--overrides", str(files["overrides.in"])]
        run_uv([*arguments, "--output-file", str(files["pins.txt"]), str(files["wanted.in"])], folder=Path(folder), say=say)
        lines = files["pins.txt"].read_text(encoding="utf-8").splitlines()
    pinned = [line for line in lines if line and not line.startswith(("#", "-"))]
    return [line for line in pinned if not (variant == "cpu" and is_for_cuda(line))]


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
