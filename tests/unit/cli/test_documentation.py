"""The pages that restate what the code says, held to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from jubako.cli.flags import reference_table
from jubako.paths import shipped
from tests.unit.cli.command import jubako

ROOT = Path(__file__).parents[3]


def test_the_settings_page_has_the_table_of_the_class() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text()
    assert reference_table() in page, f"put this table into docs/configuration.md:\n{reference_table()}"


@pytest.mark.parametrize(
    "command",
    [
        "serve",
        "chat",
        "load",
        "unload",
        "stat",
        "bench",
        "ls",
        "pull",
        "check",
        "convert",
        "manifest",
        "sbom",
        "schema",
        "env",
        "doctor",
        "version",
    ],
)
def test_the_page_of_the_command_line_knows_every_command(command: str) -> None:
    assert f"`jubako {command}" in (ROOT / "docs" / "cli.md").read_text()
    assert command in jubako("--help").stdout


def test_the_readme_shows_the_shipped_entry() -> None:
    readme = (ROOT / "README.md").read_text()
    for name in ("smollm2/model.yaml", "smollm2/1/version.yaml"):
        lines = (shipped("model_repository") / name).read_text().splitlines()
        text = "\n".join(line for line in lines if not line.startswith("#"))
        assert f"# model_repository/{name}\n{text}\n```" in readme
