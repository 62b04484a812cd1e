"""Names: which version of which model a request means."""

from __future__ import annotations

import difflib

from jubako.errors import ModelNotFound
from jubako.messages import Snapshot, VersionState, VersionStatus


class Catalog:
    """The names in one snapshot of the repository.

    A model answers to its folder's name, to its served names, and to each of these with ``:version`` behind it. Without a
    version its latest ready one is meant; if none is ready, its latest that may become so.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self._by_name: dict[str, VersionStatus] = {}
        self._current: dict[str, VersionStatus] = {}
        self._numbers: dict[str, list[int]] = {}
        for version in sorted(snapshot.versions, key=lambda v: (_preference(v.state), v.version)):
            for name in (version.model, *version.served_names):
                self._by_name[name] = version
            self._current[version.model] = version
        for version in snapshot.versions:
            self._numbers.setdefault(version.model, []).append(version.version)
            for name in (version.model, *version.served_names):
                self._by_name.setdefault(f"{name}:{version.version}", version)
        self._versions = sorted(snapshot.versions, key=lambda v: (v.model, v.version))

    @property
    def models(self) -> list[VersionStatus]:
        """The current version of each model, by name."""
        return [self._current[model] for model in sorted(self._current)]

    @property
    def versions(self) -> list[VersionStatus]:
        """Every version of every model, by name and number."""
        return self._versions

    def find(self, name: str) -> VersionStatus:
        """The version that `name` means.

        Raises:
            ModelNotFound: no model has that name, or it has no such version; the message has the nearest ones.
        """
        if (version := self._by_name.get(name)) is not None:
            return version
        raise self._unknown_version(name) or self._unknown_model(name)

    def _unknown_version(self, name: str) -> ModelNotFound | None:
        model, _, number = name.rpartition(":")
        if not number.isdecimal() or (current := self._by_name.get(model)) is None:
            return None
        numbers = ", ".join(str(number) for number in sorted(self._numbers[current.model]) if number)
        there_is = f"it has {numbers}" if numbers else "it has none"
        return ModelNotFound(f"The model {model!r} has no version {number}; {there_is}.", param="model")

    def _unknown_model(self, name: str) -> ModelNotFound:
        known = sorted({alias for version in self._current.values() for alias in (version.model, *version.served_names)})
        near = difflib.get_close_matches(name, known, n=3) or known[:5]
        hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else " The repository is empty."
        return ModelNotFound(f"The model {name!r} does not exist.{hint}", param="model")


def _preference(state: VersionState) -> int:
    # One that may still become ready before one that won't.
    return {"READY": 3, "FAILED": 1, "UNLOADED": 0}.get(state, 2)
