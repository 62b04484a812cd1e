"""What is wrong with an entry of the repository, and where."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

FieldPath = tuple[str | int, ...]
"""Where a value is in a YAML file: keys of mappings as text, indices of lists from 0."""


@dataclass(frozen=True, order=True)
class Problem:
    """One thing to mend. `line` counts from 1; `message` is a whole sentence that names the field and the value."""

    file: Path
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.shown_file}:{self.line}: {self.message}"

    @property
    def shown_file(self) -> str:
        """The file as a person here would write it: relative to the working directory where it lies below it."""
        here = Path.cwd()
        return str(self.file.relative_to(here) if self.file.is_relative_to(here) else self.file)


def shown_path(path: FieldPath) -> str:
    """`path` as people write it, such as ``limits.timeout_s`` or ``served_names[0]``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def shown_value(value: object) -> str:
    """`value` as a YAML file would say it, cut where it gets long."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    text = repr(value)
    return text if len(text) <= 80 else text[:76] + " ..."


def nearest(word: str, known: Iterable[str]) -> str:
    """ "Did you mean `x`?" for the nearest known name; where none is near, all of them if they are few."""
    names = sorted(known)
    folded = {name.lower(): name for name in reversed(names)}
    if close := get_close_matches(word.lower(), folded, n=1, cutoff=0.6):
        return f"Did you mean `{folded[close[0]]}`?"
    if 0 < len(names) <= 16:
        return f"Known: {', '.join(names)}."
    return ""
