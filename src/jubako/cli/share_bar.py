"""How work looks that knows which part of it is done: a bar in a terminal, a few plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

Show = Callable[[str, float], None]
"""Takes what is being done, and the part of all the work that is done, from 0 to 1."""


@contextmanager
def share_bar(console: Console) -> Iterator[Show]:
    """What shows the work on `console` while the block runs."""
    if not console.is_terminal:
        yield _Lines(console).show
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bars:
        task = bars.add_task("starting", total=1.0)
        yield lambda doing, share: bars.update(task, description=doing, completed=share)


class _Lines:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._said = ""

    def show(self, doing: str, share: float) -> None:
        if doing != self._said:
            self._said = doing
            self._console.print(Text(f"{doing} ({share:.0%} done)"))
