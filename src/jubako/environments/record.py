"""The environments that this user has made, and what each holds.

::

    <cache_dir>/environments/<backend>-<variant>-<12 hex>/                    a virtual environment
    <cache_dir>/environments/<backend>-<variant>-<12 hex>/environment.json    its record
    <cache_dir>/environments/.locks/<backend>-<variant>-<12 hex>              held while it is made or removed

The record is written last and removed first: a folder without one was left by somebody who was stopped on the way, and is taken
for nothing.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec import Struct

from jubako.errors import ConfigurationError

RECORD = "environment.json"


class Record(Struct, frozen=True, kw_only=True):
    """What an environment is.

    Attributes:
        python: The version of Python without its last number, such as ``3.11``.
        packages: More requirements than the variant's, sorted.
        general: Whether it was asked for by its backend, and not only for one entry: it then runs every entry that names none.
        asked_at: When it was last asked for, in Unix seconds.
        versions: The installed version of each package.
    """

    name: str
    backend: str
    variant: str
    python: str
    packages: tuple[str, ...]
    general: bool
    asked_at: float
    versions: dict[str, str]


class Environments:
    """All of them, below `cache_dir`. Threads and processes may share it freely."""

    def __init__(self, cache_dir: Path) -> None:
        self.root = cache_dir.absolute() / "environments"

    def folder(self, name: str) -> Path:
        return self.root / name

    def interpreter(self, name: str) -> Path:
        return self.folder(name) / "bin" / "python"

    def find(self, name: str) -> Record | None:
        """The record of the environment, if it is whole."""
        try:
            record = msgspec.json.decode((self.folder(name) / RECORD).read_bytes(), type=Record)
        except (OSError, msgspec.MsgspecError):
            return None
        return record if record.name == name else None

    def every(self) -> list[Record]:
        """Those that are whole; the one that was last asked for is first."""
        try:
            names = sorted(path.name for path in self.root.iterdir() if not path.name.startswith("."))
        except OSError:
            return []
        records = [record for name in names if (record := self.find(name)) is not None]
        return sorted(records, key=lambda record: record.asked_at, reverse=True)

    def named(self, name: str) -> Record | None:
        """The one called `name`; for a backend or ``<backend>-<variant>``, the newest that was made for every entry."""
        exact = [record for record in self.every() if record.name == name]
        shorter = (
            record for record in self.every() if record.general and name in (record.backend, f"{record.backend}-{record.variant}")
        )
        return exact[0] if exact else next(shorter, None)

    def write(self, record: Record) -> None:
        """Make the environment whole; its folder is on disk.

        Raises:
            ConfigurationError: the disk is full, or can't be written.
        """
        file = self.folder(record.name) / RECORD
        temporary = file.with_name(f".{RECORD}")
        try:
            with temporary.open("wb") as content:
                content.write(msgspec.json.format(msgspec.json.encode(record)) + b"\n")
                content.flush()
                os.fsync(content.fileno())
            temporary.rename(file)
        except OSError as error:
            raise ConfigurationError(f"{file} can't be written: {error.strerror}.") from None

    def remove(self, name: str) -> None:
        """Remove the folder, whole or not. The caller holds its lock."""
        (self.folder(name) / RECORD).unlink(missing_ok=True)
        shutil.rmtree(self.folder(name), ignore_errors=True)

    @contextmanager
    def lock(self, name: str, waiting: Callable[[], None]) -> Iterator[int]:
        """Held by one process for each environment, and by those to which it passes the open file that this gives.

        Args:
            waiting: Called if somebody else holds it.

        Raises:
            ConfigurationError: the folder can't be written.
        """
        path = self.root / ".locks" / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("wb")
        except OSError as error:
            raise ConfigurationError(
                f"{self.root} can't be written: {error.strerror}. Name another folder for the cache with JUBAKO_CACHE_DIR."
            ) from None
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waiting()
                fcntl.flock(file, fcntl.LOCK_EX)
            yield file.fileno()
