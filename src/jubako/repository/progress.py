"""What a download tells whoever watches it."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called from the thread that downloads, for one file after the other: `start`, any number of `advance`, then `done`.

    `done` is called however the download ended.
    """

    def start(self, total: int | None, label: str) -> None:
        """A file of `total` bytes, None if unknown, begins."""

    def advance(self, n: int) -> None:
        """`n` more bytes are there; the first may be what an earlier download left. Negative when a file starts over."""

    def note(self, text: str) -> None:
        """Something worth a line, such as waiting for another process; may come at any time."""

    def done(self) -> None:
        """The file has ended."""


class Silent:
    """Nobody watches."""

    def start(self, total: int | None, label: str) -> None:
        pass

    def advance(self, n: int) -> None:
        pass

    def note(self, text: str) -> None:
        pass

    def done(self) -> None:
        pass
