"""Converted weights, kept in the cache as ``converted/<digest of the file>-<dtype>-<version of the converter>``."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from jubako.conversion.conversion import Conversion, make_folder
from jubako.conversion.program import Watch
from jubako.conversion.provenance import is_whole
from jubako.errors import ConfigurationError


def converted_weights(conversion: Conversion, cache_dir: Path, python: Callable[[], str], watch: Watch) -> Path:
    """The folder that `conversion` makes: the one that is in the cache, else a new one. Of two that ask at once, one waits.

    Args:
        python: Finds the interpreter for it; called only where something must be converted.

    Raises:
        ConfigurationError: it can't be done; the sentence says why.
    """
    folder = cache_dir / "converted" / conversion.key
    if is_whole(folder):
        return folder
    with _lock(cache_dir / "locks" / conversion.key):
        if not is_whole(folder):
            shutil.rmtree(folder, ignore_errors=True)  # damaged
            make_folder(conversion, folder, python(), watch)
    return folder


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Held by one thread of one process; the system lets go of it when the process dies."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("wb")
    except OSError as error:
        raise ConfigurationError(
            f"The cache folder {path.parent} can't be written: {error.strerror}. Name another with JUBAKO_CACHE_DIR."
        ) from None
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
