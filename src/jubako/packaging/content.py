"""The folder of which a bento is made, and the digest of what is in it."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from jubako.paths import shipped

_CODE = shutil.ignore_patterns("__pycache__", "_shipped", ".*")


def write_code(folder: Path, backend: str) -> None:
    """Copy jubako itself, the backend's service and the protocol's definitions into `folder`."""
    shutil.copytree(Path(__file__).parents[1], folder / "jubako", ignore=_CODE)
    (folder / "services").mkdir()
    shutil.copyfile(shipped("services") / f"{backend}.py", folder / "services" / f"{backend}.py")
    shutil.copytree(shipped("protos"), folder / "protos", ignore=_no_protos)


def digest_of(folder: Path) -> str:
    """Of the paths and contents of all files: equal content, equal digest."""
    sha256 = hashlib.sha256()
    for name, path in _files(folder):
        sha256.update(f"{name}\0{path.stat().st_size}\0".encode())
        sha256.update(path.read_bytes())
    return sha256.hexdigest()


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    yield from sorted((path.relative_to(folder).as_posix(), path) for path in folder.rglob("*") if path.is_file())


def _no_protos(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if not (Path(folder, name).is_dir() or name.endswith(".proto"))]
