"""Python environments for engines that can't share the server's own."""

from __future__ import annotations

from pathlib import Path

from jubako.repository.config import EnvironmentConfig


def interpreter(environment: str | EnvironmentConfig | None) -> str:
    """Path of the interpreter that an entry's `environment` means; "" for the server's own."""
    if isinstance(environment, str) and "/" in environment:
        path = Path(environment).expanduser()
        return str(path / "bin" / "python" if path.is_dir() else path)
    return ""
