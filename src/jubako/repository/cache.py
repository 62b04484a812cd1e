"""Downloaded weights, kept by their digests and shared by every process of the user.

::

    blobs/sha256/<digest>      each file once, read-only
    sources/<key>.json         what a source turned out to be: the files, their digests and sizes
    weights/<digest>/...       the same files under their own names, as hard links to the blobs; what engines open
    partial/<key>              downloads that have not ended, with what a resumption must know beside them
    locks/<key>                held while a source is being resolved
    checked/<key>.json         digests of files outside the cache, valid while size and time of change stay

A name outside ``partial`` appears only when all of its content is on disk, by a rename in the same file system. Whoever is
killed in between leaves a partial file that the next download continues.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from jubako.errors import ConfigurationError
from jubako.repository.progress import Progress, Silent

_CHUNK = 1024 * 1024


class StoredFile(Struct, frozen=True):
    """`path` is relative to the folder of the weights; `size` is in bytes."""

    path: str
    sha256: str
    size: int


class Manifest(Struct, frozen=True):
    """What a source turned out to be.

    Attributes:
        root: The path, inside the folder, that engines are given; "" is the folder.
        pinned: The source that means this for ever, by digest or commit; "" where there is none, or none is known.
    """

    source: str
    files: list[StoredFile]
    root: str = ""
    pinned: str = ""

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)

    @property
    def digest(self) -> str:
        """Of the names and digests of all files: equal content, equal folder."""
        lines = sorted(f"{file.sha256} {file.path}\n" for file in self.files)
        return hashlib.sha256("".join(lines).encode()).hexdigest()


class CheckedFile(Struct, frozen=True):
    """The digest of a file outside the cache, as it was at `mtime_ns`."""

    path: str
    size: int
    mtime_ns: int
    sha256: str


class Cache:
    """The cache below `root`, which is made when first written to. Threads and processes may share it freely."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()

    # --- what is there

    def find(self, source: str) -> Manifest | None:
        """What `source` is, if all of it is here and of the right size."""
        try:
            manifest = msgspec.json.decode(self._record(source).read_bytes(), type=Manifest)
        except (OSError, msgspec.MsgspecError):
            return None
        return manifest if all(self.has(file.sha256, file.size) for file in manifest.files) else None

    def has(self, sha256: str, size: int | None = None) -> bool:
        """Whether the blob is here and, where `size` is known, of that size. One that is damaged is removed."""
        blob = self.blob(sha256)
        try:
            actual = blob.stat().st_size
        except FileNotFoundError:
            return False
        if size is None or actual == size:
            return True
        if digest_file(blob, Silent()) != sha256.lower():  # else the size is wrong, which may come from anybody
            blob.unlink(missing_ok=True)
        return False

    def blob(self, sha256: str) -> Path:
        return self.root / "blobs" / "sha256" / sha256.lower()

    # --- putting something in

    @contextmanager
    def lock(self, source: str, progress: Progress, key: str = "") -> Iterator[None]:
        """Held by one thread of one process for each `key`, or else source; the system lets go of it when the process dies.

        Raises:
            ConfigurationError: the cache can't be written.
        """
        path = self.root / "locks" / _key(key or source)
        self._folder(path.parent)
        try:
            opened = path.open("wb")
        except OSError as error:
            raise ConfigurationError(
                f"The cache {self.root} can't be written: {error.strerror}. Name another with JUBAKO_CACHE_DIR."
            ) from None
        with opened as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                progress.note(f"Another process is at work on {source}; waiting for it.")
                fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def partial(self, name: str) -> Path:
        """Where a download of `name` (its digest, or its address) grows; it may already hold a beginning."""
        folder = self.root / "partial"
        self._folder(folder)
        return folder / _key(name)

    def adopt(self, file: Path, sha256: str) -> None:
        """Take `file`, which lies in `partial` and has this digest, as a blob."""
        blob = self.blob(sha256)
        self._folder(blob.parent)
        with file.open("rb") as content:
            os.fsync(content.fileno())
        file.chmod(0o444)
        file.rename(blob)
        _sync_folder(blob.parent)

    def record(self, manifest: Manifest) -> None:
        """Remember what a source turned out to be, and its pinned form with it."""
        for source in {manifest.source, manifest.pinned or manifest.source}:
            record = msgspec.structs.replace(manifest, source=source)
            self._write(self._record(source), msgspec.json.format(msgspec.json.encode(record)))

    def place(self, manifest: Manifest) -> Path | None:
        """The file or folder that engines open, if it is there whole. Nothing is written."""
        folder = self._folder_of(manifest)
        return folder / manifest.root if self._is_whole(folder, manifest) else None

    def materialise(self, manifest: Manifest) -> Path:
        """Make the file or folder that engines open. The caller holds the lock of the source."""
        folder = self._folder_of(manifest)
        if not self._is_whole(folder, manifest):
            self._link(folder, manifest)
        return folder / manifest.root

    def need_space(self, size: int, what: str) -> None:
        """
        Raises:
            ConfigurationError: fewer than `size` bytes are free; the sentence says how many are needed.
        """
        self._folder(self.root)
        free = shutil.disk_usage(self.root).free
        if free < size:
            raise ConfigurationError(
                f"{what} needs {human_size(size)} ({size} bytes) in {self.root}, where {human_size(free)} are free. "
                "Make room there, or name another folder with JUBAKO_CACHE_DIR."
            )

    # --- files outside

    def digest_of(self, file: Path, progress: Progress) -> str:
        """The digest of a file outside the cache, computed once for each state of the file."""
        state = file.stat()
        record = self.root / "checked" / f"{_key(str(file.absolute()))}.json"
        try:
            known = msgspec.json.decode(record.read_bytes(), type=CheckedFile)
        except (OSError, msgspec.MsgspecError):
            known = None
        if known and (known.path, known.size, known.mtime_ns) == (str(file.absolute()), state.st_size, state.st_mtime_ns):
            return known.sha256
        sha256 = digest_file(file, progress)
        checked = CheckedFile(str(file.absolute()), state.st_size, state.st_mtime_ns, sha256)
        with suppress(OSError, ConfigurationError):  # where nothing can be written, it is computed again
            self._write(record, msgspec.json.encode(checked))
        return sha256

    # --- inside

    def _record(self, source: str) -> Path:
        return self.root / "sources" / f"{_key(source)}.json"

    def _folder_of(self, manifest: Manifest) -> Path:
        return self.root / "weights" / manifest.digest

    def _is_whole(self, folder: Path, manifest: Manifest) -> bool:
        return all(_same_file(folder / file.path, self.blob(file.sha256)) for file in manifest.files) and folder.is_dir()

    def _link(self, folder: Path, manifest: Manifest) -> None:
        # Two sources may have the same content, hence the same folder, and each its own lock: the temporary one is ours alone.
        building = folder.with_name(f".{folder.name}.{_own_suffix()}")
        shutil.rmtree(building, ignore_errors=True)
        for file in manifest.files:
            path = building / file.path
            self._folder(path.parent)
            _link_or_symlink(self.blob(file.sha256), path)
        if folder.exists():  # damaged
            shutil.rmtree(folder, ignore_errors=True)
        try:
            building.rename(folder)
        except OSError as error:
            if error.errno not in {errno.ENOTEMPTY, errno.EEXIST} or not self._is_whole(folder, manifest):
                raise
            shutil.rmtree(building)
        _sync_folder(folder.parent)

    def _write(self, path: Path, content: bytes) -> None:
        self._folder(path.parent)
        temporary = path.with_name(f".{path.name}.{_own_suffix()}")
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)

    def _folder(self, path: Path) -> None:
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(
                f"The cache folder {path} can't be made: {error.strerror}. Name another with JUBAKO_CACHE_DIR."
            ) from None


def digest_file(file: Path, progress: Progress) -> str:
    """The SHA-256 of a file, hexadecimal."""
    sha256 = hashlib.sha256()
    progress.start(file.stat().st_size, f"checking {file.name}")
    try:
        with file.open("rb") as content:
            while chunk := content.read(_CHUNK):
                sha256.update(chunk)
                progress.advance(len(chunk))
    finally:
        progress.done()
    return sha256.hexdigest()


def human_size(size: int) -> str:
    """`size` bytes for people, such as ``93.8 MiB``."""
    number = float(size)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if number < 1024:
            return f"{number:.0f} {unit}" if unit == "bytes" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} TiB"


def _key(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def _own_suffix() -> str:
    return f"{os.getpid()}-{threading.get_ident()}"


def _same_file(path: Path, blob: Path) -> bool:
    try:
        return path.samefile(blob)
    except FileNotFoundError:
        return False


def _link_or_symlink(blob: Path, path: Path) -> None:
    try:
        path.hardlink_to(blob)
    except OSError:  # a file system without hard links
        path.symlink_to(blob)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
