"""The files in deploy/ are what `jubako manifest` writes today."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.unit.cli.command import jubako

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
COMMANDS = re.findall(r"^jubako (manifest .+)$", (DEPLOY / "README.md").read_text(), re.MULTILINE)


def _file_of(command: str) -> Path:
    words = shlex.split(command)
    return DEPLOY / words[words.index("--out") + 1]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: str(_file_of(command).relative_to(DEPLOY)))
def test_it_is_as_its_command_writes_it(command: str, tmp_path: Path) -> None:
    file = _file_of(command)
    (tmp_path / file.parent.name).mkdir()
    ran = jubako(*shlex.split(command), "--repository", ROOT / "model_repository", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / file.relative_to(DEPLOY)).read_text() == file.read_text(), f"in deploy/: jubako {command}"


def test_every_file_has_its_command() -> None:
    assert {_file_of(command) for command in COMMANDS} == set(DEPLOY.rglob("*.yaml"))
