"""A changed line of code sends the code again, and not the weights and packages below it."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from jubako.paths import default_cache
from tests.e2e.conftest import MODEL, REPOSITORY, Pushed, push
from tests.e2e.machine import Machine
from tests.registry import Registry

ROOT = Path(__file__).parents[2]
MOST_BYTES = 8 * 1024 * 1024


def changed_checkout(folder: Path) -> Path:
    """The project with one more line; returns the folder to import it from."""
    for name in ("src", "services", "protos"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "model_repository").symlink_to(REPOSITORY)
    with (folder / "src/jubako/cli/version.py").open("a") as file:
        file.write("# changed\n")
    return folder / "src"


def test_only_the_code_is_sent_again(image: Pushed, builder: Machine, registry: Registry, tmp_path: Path) -> None:
    variables = {"PYTHONPATH": str(changed_checkout(tmp_path)), "JUBAKO_CACHE_DIR": str(default_cache())}
    name = f"{registry.address}/bento/{MODEL}:changed"
    command = [sys.executable, "-m", "jubako"]
    with builder.lap("rebuild"):
        tag = builder.run(*command, "build", MODEL, "--repository", REPOSITORY, **variables)
        builder.run(*command, "containerize", tag, "--backend", "podman", "--tag", name, **variables)
    assert tag != image.tag
    before = registry.uploaded
    with builder.lap("push of the rebuilt"):
        digest = push(builder, name)
    sent = registry.uploaded - before
    assert digest != image.digest
    assert 0 < sent < MOST_BYTES, f"{sent} bytes were sent"
