"""What every command prints with: results to stdout, everything else to stderr, errors as a sentence and an exit status."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.text import Text

from jubako.errors import JubakoError

WIDE = 10_000
"""Columns where nobody's terminal is the limit: what goes to a file or a pipe is never cut."""


def _console(*, stderr: bool) -> Console:
    console = Console(stderr=stderr, highlight=False, soft_wrap=True)
    return console if console.is_terminal else Console(stderr=stderr, highlight=False, soft_wrap=True, width=WIDE)


out = _console(stderr=False)
err = _console(stderr=True)

USAGE = 2
FAILED = 1


def complain(message: str) -> None:
    """Print an error, each of its lines a sentence of its own."""
    for line in message.splitlines():
        err.print(Text.assemble(("error: ", "bold red"), line))


def remark(message: str) -> None:
    """Print something worth knowing that stops nothing."""
    err.print(Text.assemble(("note: ", "bold yellow"), message))


@contextmanager
def sentences(status: int = FAILED) -> Iterator[None]:
    """End the command with `status` and the error's own sentence where jubako raised it on purpose; bugs keep their traceback."""
    try:
        yield
    except JubakoError as error:
        complain(error.message)
        raise typer.Exit(status) from None
