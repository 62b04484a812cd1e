"""The shared memory that clients have registered, so that their requests may name it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from jubako.errors import InvalidRequest
from jubako.messages import SharedRegion

FOLDER = Path("/dev/shm")  # noqa: S108 - where the system keeps POSIX shared memory, not a place for files of ours
"""Where a region's key is the name of a file."""


class Regions:
    """The registered regions, by name. They are as short-lived as the runner."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._folder = folder
        self._regions: dict[str, SharedRegion] = {}

    def all(self) -> list[SharedRegion]:
        return list(self._regions.values())

    def register(self, region: SharedRegion) -> None:
        """
        Raises:
            InvalidRequest: its name is taken, its key is no name, or there is no such shared memory, or it is shorter.
        """
        if region.name in self._regions:
            raise InvalidRequest(
                f"A shared memory region {region.name!r} is registered already. Unregister it first, or use another name.",
                param="name",
            )
        if region.offset < 0 or region.byte_size <= 0:
            raise InvalidRequest(
                f"The shared memory region {region.name!r} has offset {region.offset} and byte_size {region.byte_size}; "
                "an offset is 0 or more, a size 1 or more.",
                param="byte_size" if region.byte_size <= 0 else "offset",
            )
        size = self._size(region)
        if region.offset + region.byte_size > size:
            raise InvalidRequest(
                f"The shared memory {region.key!r} has {size} bytes; the region {region.name!r} of {region.byte_size} bytes from "
                f"offset {region.offset} would end beyond it.",
                param="byte_size",
            )
        self._regions[region.name] = region

    def unregister(self, name: str | None) -> None:
        """Forget one region, or all. One that is not registered is none already."""
        if name is None:
            self._regions.clear()
        else:
            self._regions.pop(name, None)

    def _size(self, region: SharedRegion) -> int:
        """Bytes of the shared memory that `region.key` names, as ``shm_open`` does: a leading slash, if any, and no other."""
        name = region.key.removeprefix("/")
        if not name or "/" in name or "\0" in name or name in (".", ".."):
            raise InvalidRequest(
                f"The key {region.key!r} is no name of shared memory; it is like '/my-region', with no other slash.", param="key"
            )
        try:
            descriptor = os.open(self._folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not a name of the system"
            raise InvalidRequest(
                f"The shared memory {region.key!r} can't be opened on this machine: {reason}.", param="key"
            ) from None
        try:
            status = os.fstat(descriptor)
        finally:
            os.close(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise InvalidRequest(f"The key {region.key!r} names no shared memory.", param="key")
        return status.st_size
