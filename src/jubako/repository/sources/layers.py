"""Layers of images and artifacts that are archives: what they change, read safely.

Nothing is unpacked under the name that an archive gives it. Files go into the cache under their digests, names are only compared
with each other, and links lead to files of the same image or nowhere. Removals are those of the OCI Image Specification
("Whiteouts").
"""

from __future__ import annotations

import gzip
import sys
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, Literal, Self, cast

from jubako.errors import ConfigurationError
from jubako.repository.cache import Cache, StoredFile
from jubako.repository.progress import Progress
from jubako.repository.source import inner_path
from jubako.repository.sources.unpacking import store

try:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
except ImportError:
    zstd = None  # type: ignore[assignment]

Compression = Literal["", "gzip", "zstd"]

_DAMAGED = (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, *((zstd.ZstdError,) if zstd else ()))

_GONE = ".wh."
_EMPTIED = ".wh..wh..opq"
MOST_FILES = 100_000
"""Of one layer, and of what all of them make."""
_LARGEST_HEADER = 1024 * 1024
_BLOWN_UP = 100
"""How many bytes may come out of one; real weights and texts stay far below."""
_ALWAYS_ALLOWED = 64 * 1024 * 1024


@dataclass(frozen=True)
class Link:
    """`target` is a path of the same image; where `hard`, what is there now is meant, and not what comes to be there."""

    path: str
    target: str
    hard: bool = False


@dataclass(frozen=True)
class Removal:
    """The file or folder `path`, or what is in the folder, is not there any more."""

    path: str
    only_inside: bool = False


Change = StoredFile | Link | Removal


def check_readable(compression: Compression, what: str) -> None:
    """
    Raises:
        ConfigurationError: the archive `what` is packed with what is not installed.
    """
    if compression == "zstd" and zstd is None:
        raise ConfigurationError(
            f"{what} is packed with zstd, which Python reads from version 3.14 on. Install the package backports.zstd "
            "(`pip install 'jubako[zstd]'`), or copy it with `skopeo copy --dest-compress-format gzip`."
        )


def compression_of(media_type: str) -> Compression | None:
    """How the archive that a layer of this type is has been packed; None if it is no archive."""
    if media_type.endswith((".tar+gzip", ".tar.gzip")):
        return "gzip"
    if media_type.endswith((".tar+zstd", ".tar.zstd")):
        return "zstd"
    return "" if media_type.endswith(".tar") else None


@dataclass(frozen=True)
class Layer:
    """An archive that has been fetched and verified.

    Attributes:
        below: The folder that counts, empty for all.
        name: What the terminal shows of it.
        image: What it is a layer of.
    """

    file: Path
    compression: Compression
    below: str
    name: str
    image: str

    @property
    def what(self) -> str:
        """For errors."""
        return f"The {self.name} of {self.image}"

    def changes(self, cache: Cache, progress: Progress) -> Iterator[Change]:
        """What it changes in the folder that counts, in its order; paths are those in the image. Files are stored by then.

        Raises:
            ConfigurationError: it is damaged, or has what no layer of weights needs.
        """
        progress.start(None if self.compression else self.file.stat().st_size, f"unpacking {self.name}")
        try:
            with _opened(self) as archive:
                for count, member in enumerate(archive):
                    if count >= MOST_FILES:
                        raise ConfigurationError(f"{self.what} has more than {MOST_FILES} files. Nothing of it was taken.")
                    path = self._path(member.name)
                    if removal := _removal(path):
                        yield removal
                    elif not member.isdir() and f"{path}/".startswith(f"{self.below}/" if self.below else ""):
                        inner_path(path, self.image)
                        yield self._link(member, path) or self._stored(archive, member, path, cache, progress)
        except _DAMAGED as error:
            raise ConfigurationError(f"{self.what} is a damaged archive: {error}.") from error
        finally:
            progress.done()

    def _link(self, member: tarfile.TarInfo, path: str) -> Link | None:
        """Where a member leads; None for a file."""
        if member.issym():
            folder = path.rpartition("/")[0]
            return Link(path, self._path(member.linkname, "" if member.linkname.startswith("/") else folder))
        if member.islnk():
            return Link(path, self._path(member.linkname), hard=True)
        if not member.isreg() or member.issparse():
            raise ConfigurationError(
                f"{self.what} has {path!r}, which is neither a plain file, nor a folder or link. Nothing of it was taken."
            )
        return None

    def _stored(
        self, archive: tarfile.TarFile, member: tarfile.TarInfo, path: str, cache: Cache, progress: Progress
    ) -> StoredFile:
        cache.need_space(member.size, path)
        packed = archive.extractfile(member)
        assert packed is not None
        return store(packed, path, f"{self.file.name} {path} unpacked", cache, progress)

    def _path(self, name: str, start: str = "") -> str:
        """The path in the image that `name`, seen from the folder `start`, means.

        Raises:
            ConfigurationError: it leads out of the image.
        """
        parts: list[str] = start.split("/") if start else []
        for part in name.split("/"):
            if part == ".." and parts and parts[-1] != "..":
                parts.pop()
            elif part not in {"", "."}:
                parts.append(part)
        path = "/".join(parts)
        if ".." in parts:
            raise ConfigurationError(f"{self.what} has the path {name!r}, which leads elsewhere. Nothing of it was taken.")
        return path


def _removal(path: str) -> Removal | None:
    """What a file of this name says is gone; None if it says nothing."""
    folder, _, name = path.rpartition("/")
    if name == _EMPTIED:
        return Removal(folder, only_inside=True)
    return Removal(f"{folder}/{name.removeprefix(_GONE)}".lstrip("/")) if name.startswith(_GONE) else None


# --- archives ----------------------------------------------------------------------------------------------------------------


class _Member(tarfile.TarInfo):
    """Refuses headers that make the standard library read without bound."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        member = super().frombuf(buf, encoding, errors)
        if member.type == tarfile.GNUTYPE_SPARSE or (not member.isfile() and member.size > _LARGEST_HEADER):
            raise tarfile.ReadError("it has a header that is too large, or of a kind that is not read")
        return member


class _Bounded:
    """Reads forward, and no more than what is believable of a file of this size."""

    def __init__(self, file: IO[bytes], packed_size: int, what: str) -> None:
        self.file = file
        self.left = max(_BLOWN_UP * packed_size, _ALWAYS_ALLOWED)
        self.what = what

    def read(self, size: int) -> bytes:
        chunk = self.file.read(size)
        self.left -= len(chunk)
        if self.left < 0:
            raise ConfigurationError(f"{self.what} grows to more than {_BLOWN_UP} times its size. Nothing of it was taken.")
        return chunk


@contextmanager
def _opened(layer: Layer) -> Iterator[tarfile.TarFile]:
    with layer.file.open("rb") as packed, _unpacked(packed, layer) as plain:
        bounded = _Bounded(plain, layer.file.stat().st_size, layer.what)
        with tarfile.open(fileobj=cast(IO[bytes], bounded), mode="r|", tarinfo=_Member) as archive:
            yield archive


def _unpacked(packed: BinaryIO, layer: Layer) -> IO[bytes]:
    if layer.compression == "gzip":
        return cast(IO[bytes], gzip.GzipFile(fileobj=packed))
    if layer.compression == "zstd":
        return cast(IO[bytes], zstd.ZstdFile(packed))
    return packed
