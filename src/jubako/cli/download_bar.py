"""How downloads look: a bar in a terminal, a few plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TaskID, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.progress import Progress as RichProgress
from rich.text import Text

from jubako.repository.cache import human_size
from jubako.repository.progress import Progress

_STEP = 10  # percent between two plain lines


@contextmanager
def download_bar(console: Console) -> Iterator[Progress]:
    """A progress that prints to `console` while the block runs."""
    if not console.is_terminal:
        yield _Lines(console)
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with RichProgress(*columns, console=console) as bars:
        yield _Bar(bars)


class _Bar:
    def __init__(self, bars: RichProgress) -> None:
        self.bars = bars
        self.task: TaskID | None = None

    def start(self, total: int | None, label: str) -> None:
        self.task = self.bars.add_task(label, total=total)

    def advance(self, n: int) -> None:
        if self.task is not None:
            self.bars.advance(self.task, n)

    def note(self, text: str) -> None:
        self.bars.console.print(Text(text))

    def done(self) -> None:
        if self.task is not None:
            self.bars.stop_task(self.task)


class _Lines:
    def __init__(self, console: Console) -> None:
        self.console = console
        self.total: int | None = None
        self.have = 0
        self.said = 0
        self.label = ""

    def start(self, total: int | None, label: str) -> None:
        self.total, self.have, self.said, self.label = total, 0, 0, label
        self.console.print(Text(f"{label}: {human_size(total) if total is not None else 'size unknown'}"))

    def advance(self, n: int) -> None:
        self.have += n
        if self.total:
            percent = 100 * self.have // self.total
            if percent >= self.said + _STEP:
                self.said = percent - percent % _STEP
                self.console.print(Text(f"{self.label}: {self.said} %"))

    def note(self, text: str) -> None:
        self.console.print(Text(text))

    def done(self) -> None:
        pass
