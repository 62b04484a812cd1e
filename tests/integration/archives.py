"""Tar archives for layers of images."""

from __future__ import annotations

import io
import tarfile


def tar(*members: tuple[str | tarfile.TarInfo, bytes | str]) -> bytes:
    """An archive of files (name and bytes), symbolic links (name and target) and ready members."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in members:
            member = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            if isinstance(content, str):
                member.type, member.linkname = tarfile.SYMTYPE, content
                archive.addfile(member)
            else:
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()
