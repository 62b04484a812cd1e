"""What `make lint` asks of protos/: buf's rules, and that nothing is taken from those who use it already."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUF = ROOT / "clients" / "typescript" / "node_modules" / ".bin" / "buf"

pytestmark = pytest.mark.skipif(not BUF.exists(), reason="buf is not installed; `make install-node` does that.")


@pytest.fixture
def protos(tmp_path: Path) -> Path:
    """A copy that may be changed."""
    copy = tmp_path / "protos"
    shutil.copytree(ROOT / "protos", copy)
    return copy


def buf(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([BUF, *words], capture_output=True, text=True, timeout=60, check=False)


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert len(re.findall(old, text)) == 1
    file.write_text(re.sub(old, new, text))


def breaking(protos: Path) -> subprocess.CompletedProcess[str]:
    return buf("breaking", protos, "--against", ROOT / "protos" / "jubako" / "v1.binpb")


def test_what_is_there_breaks_no_rule_and_no_client(protos: Path) -> None:
    for checked in (buf("lint", protos), breaking(protos)):
        assert (checked.returncode, checked.stdout) == (0, "")


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        ("model.proto", r"  string interface_digest = 13;\n", "", "interface_digest"),
        ("sampling.proto", r"uint32 max_tokens = 1;", "uint64 max_tokens = 1;", "max_tokens"),
        ("chat.proto", r"  rpc Complete\(.*\n", "", "Complete"),
        ("chat.proto", r"  ROLE_TOOL = 5;\n", "", 'enum value "5" on enum "Role"'),
    ],
)
def test_what_would_break_a_client_is_found(file: str, old: str, new: str, words: str, protos: Path) -> None:
    change(protos / "jubako" / "v1" / file, old, new)
    found = breaking(protos)
    assert found.returncode == 100
    assert words in found.stdout


def test_what_is_added_breaks_nobody(protos: Path) -> None:
    change(
        protos / "jubako" / "v1" / "model.proto", r"(  string interface_digest = 13;\n)", r"\1  // More.\n  string more = 14;\n"
    )
    assert breaking(protos).returncode == 0


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (r"  // The version\.\n  ModelVersion model = 1;", "  ModelVersion model = 1;", "non-empty comment"),
        (r"string interface_digest = 13;", "string interfaceDigest = 13;", "lower_snake_case"),
        (r"rpc GetModel\(GetModelRequest\)", "rpc GetModel(ListModelsRequest)", "GetModelRequest"),
    ],
)
def test_rules_hold(old: str, new: str, words: str, protos: Path) -> None:
    change(protos / "jubako" / "v1" / "model.proto", old, new)
    found = buf("lint", protos)
    assert found.returncode == 100
    assert words in found.stdout
