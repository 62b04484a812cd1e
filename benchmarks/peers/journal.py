"""The rows of a run, one JSON object a line, so that a run that was broken off goes on where it was."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

Value: TypeAlias = "str | int | float | bool | list[Value] | dict[str, Value] | None"
Row: TypeAlias = dict[str, Value]


VARYING = ("commit",)
"""What may differ between the parts of a run: each is named."""


@dataclass(frozen=True)
class Key:
    """What a row is a measurement of.

    Attributes:
        how: The load: ``32`` connections, ``2345/s``, or a word of the measurement's own.
    """

    measurement: str
    workload: str
    peer: str
    front: str
    how: str
    repetition: int


class OtherRun(Exception):
    """The file holds rows that do not compare with those to come; the message says why."""


class Journal:
    """The file of a run. Its first row describes the machine and the versions."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._rows = list(_read(file))
        self._done = {_key(row) for row in self._rows if "measurement" in row and "error" not in row}

    def begin(self, description: Mapping[str, str]) -> None:
        """Say what is measured, on what.

        Raises:
            OtherRun: the file holds rows of another machine or of other versions.
        """
        seen = self._words()
        for name, now in description.items():
            if name in seen and name not in VARYING and seen[name] != [now]:
                raise OtherRun(
                    f"{self.file} holds figures taken with {name} {seen[name][0]}, and this is {now}. Begin anew with --fresh, "
                    "or name another file with --results."
                )
        if any(now not in seen.get(name, []) for name, now in description.items()):
            self._append({"description": dict(description), "time": _now()})

    @property
    def description(self) -> dict[str, str]:
        """What :meth:`begin` was told, over all parts of the run."""
        return {name: ", then ".join(words) for name, words in self._words().items()}

    def _words(self) -> dict[str, list[str]]:
        seen: dict[str, list[str]] = {}
        for row in self._rows:
            if isinstance(part := row.get("description"), dict):
                for name, word in part.items():
                    if str(word) not in seen.setdefault(name, []):
                        seen[name].append(str(word))
        return seen

    def has(self, key: Key) -> bool:
        return key in self._done

    def write(self, key: Key, results: Mapping[str, Value]) -> Row:
        row: Row = {**asdict(key), **results, "time": _now()}
        self._append(row)
        if "error" not in row:
            self._done.add(key)
        return row

    def rows(self, measurement: str) -> list[Row]:
        """Of one kind; what failed at first and was measured later is left out."""
        return [
            row for row in self._rows if row.get("measurement") == measurement and ("error" not in row or not self.has(_key(row)))
        ]

    def _append(self, row: Row) -> None:
        self._rows.append(row)
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with self.file.open("a") as file:
            file.write(json.dumps(row) + "\n")


def _key(row: Row) -> Key:
    words = {name: str(row[name]) for name in ("measurement", "workload", "peer", "front", "how")}
    return Key(**words, repetition=int(str(row["repetition"])))


def _read(file: Path) -> Iterator[Row]:
    if not file.exists():
        return
    for line in file.read_text().splitlines():
        row: Row = json.loads(line)
        yield row


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
