"""Runs the `jubako` command as a person does: a real process, from a folder and with an environment of the test's choice."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TIMEOUT_S = 200.0


def clean_environment(**variables: str) -> dict[str, str]:
    """This process's environment without jubako's variables, with a wide plain terminal, and with `variables`."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("JUBAKO_")}
    return {**inherited, "COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb", **variables}


def jubako(
    *arguments: str | Path,
    cwd: Path | None = None,
    stdin: str = "",
    **variables: str,
) -> subprocess.CompletedProcess[str]:
    """`jubako` with these arguments, its standard output and error apart."""
    return subprocess.run(
        [sys.executable, "-m", "jubako", *(str(argument) for argument in arguments)],
        cwd=cwd,
        env=clean_environment(**variables),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
