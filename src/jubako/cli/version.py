"""`jubako version`."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import typer
from rich.table import Table

from jubako import __version__
from jubako.backends.declarations import BACKENDS
from jubako.cli.terminal import out

CORE = ("bentoml", "uvicorn", "uvloop", "httptools", "starlette", "msgspec", "numpy", "pydantic", "typer")


def print_version(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Also the versions of Python and of the packages.")] = False,
) -> None:
    """Print the version of jubako."""
    out.print(f"jubako {__version__}")
    if not verbose:
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_row("python", platform.python_version())
    table.add_row("system", platform.platform(terse=True))
    for name in CORE:
        table.add_row(name, version(name))
    for name in sorted({module for backend in BACKENDS.values() for module in backend.modules}):
        table.add_row(name, version_or_none(name) or "not installed")
    out.print(table)


def version_or_none(package: str) -> str | None:
    """The installed version of a package, or None."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
