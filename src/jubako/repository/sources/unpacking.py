"""One file out of an archive, into the cache."""

from __future__ import annotations

import hashlib
from typing import IO

from jubako.repository.cache import Cache, StoredFile
from jubako.repository.progress import Progress

_CHUNK = 1024 * 1024


def store(packed: IO[bytes], path: str, partial_name: str, cache: Cache, progress: Progress) -> StoredFile:
    """Keep what can be read from `packed` as a blob; the caller sees to it that nobody else writes to the same partial file.

    Args:
        path: The file's path inside the folder of the weights.
    """
    partial = cache.partial(partial_name)
    sha256, size = hashlib.sha256(), 0
    with partial.open("wb") as file:
        while chunk := packed.read(_CHUNK):
            file.write(chunk)
            sha256.update(chunk)
            size += len(chunk)
            progress.advance(len(chunk))
    cache.adopt(partial, sha256.hexdigest())
    return StoredFile(path, sha256.hexdigest(), size)
