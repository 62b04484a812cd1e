"""The folder in which a runner's instances have their sockets: private, short-pathed, and gone when the runner is."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import shutil
import socket
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

LONGEST_PATH = 103
"""Most bytes in the path of a Unix socket, on every system that has them."""

_PREFIX = "jubako-"
_LOCK = "lock"
_BACKLOG = 1024


class SocketFolder:
    """A folder ``jubako-<pid>-*``, mode 0700, in the system's temporary folder.

    A lock in it, held before the folder has that name, says that its owner lives: the next runner can tell what killed ones left.
    """

    def __init__(self, parent: Path | None = None) -> None:
        """Make the folder, and remove those whose owners died.

        Args:
            parent: Where to make it. Default: the system's temporary folder, or ``/tmp`` if that path is too long for sockets.
        """
        parent = parent or _short_temporary_folder()
        _remove_abandoned(parent)
        made = Path(tempfile.mkdtemp(prefix=f".{_PREFIX}{os.getpid()}-", dir=parent))
        self._lock = os.open(made / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self.path = made.rename(made.with_name(made.name.removeprefix(".")))
        self._numbers = itertools.count(1)

    def listen(self) -> tuple[str, socket.socket]:
        """A new listening socket and its path. Who connects before anyone accepts, waits."""
        path = str(self.path / f"{next(self._numbers)}.sock")
        self.temporary(path).mkdir()
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listening.bind(path)
        listening.listen(_BACKLOG)
        return path, listening

    def forget(self, path: str) -> None:
        """Remove the socket at `path`, and the temporary folder beside it; nobody listens there any more."""
        Path(path).unlink(missing_ok=True)
        shutil.rmtree(self.temporary(path), ignore_errors=True)

    @staticmethod
    def temporary(path: str) -> Path:
        """A folder for the temporary files of the process that listens at `path`, so that they go with it however it ends."""
        return Path(path).with_suffix("")

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None) -> None:
        self.remove()


def _short_temporary_folder() -> Path:
    folder = Path(tempfile.gettempdir())
    longest = folder / f"{_PREFIX}4194304-12345678" / "1000000.sock"
    return folder if len(os.fsencode(longest)) <= LONGEST_PATH else Path("/tmp")  # noqa: S108 - a private folder is made in it


def _remove_abandoned(parent: Path) -> None:
    for folder in parent.glob(f"{_PREFIX}[0-9]*-*"):
        with contextlib.suppress(OSError):
            if folder.stat().st_uid == os.getuid() and _is_abandoned(folder):
                shutil.rmtree(folder)


def _is_abandoned(folder: Path) -> bool:
    """By the lock and not by the pid, which means nothing to other containers, and in time another process."""
    if not folder.name.removeprefix(_PREFIX).partition("-")[0].isdigit():
        return False
    lock = os.open(folder / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(lock)
    return True
