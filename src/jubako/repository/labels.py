"""The names of an output's classes: a list, or a text file of the entry with one on each line."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

MAX_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True)
class Labels:
    """`fault` is how the sentence goes on that begins with the field's name, or "" if there is nothing wrong."""

    names: list[str] = field(default_factory=list)
    fault: str = ""


def read_labels(said: str | list[str], folder: Path) -> Labels:
    """The labels that the field says, a file being one in `folder`, the entry's."""
    if isinstance(said, list):
        return Labels(said)
    file = folder / said
    if not said or not file.resolve().is_relative_to(folder.resolve()):
        return Labels(fault=f"must name a file in the entry's folder; it is {said!r}")
    if not file.is_file():
        return Labels(fault=f"names {said!r}, but there is no such file in {folder.name}")
    try:
        if file.stat().st_size > MAX_BYTES:
            return Labels(fault=f"names {said!r}, which is larger than {MAX_BYTES} bytes")
        return Labels(file.read_text(encoding="utf-8-sig").splitlines())
    except (OSError, UnicodeDecodeError):
        return Labels(fault=f"names {said!r}, which can't be read as text in UTF-8")
