"""Names: which version of which model a request means."""

from __future__ import annotations

import difflib

from jubako.errors import ModelNotFound
from jubako.messages import Snapshot, VersionState, VersionStatus
from jubako.model_names import version_name


class Catalog:
    """The names in one snapshot of the repository.

    A model answers to its folder's name, to its served names, and to each of these with ``:version`` or ``@alias`` behind it.
    Without a version the latest ready one of those is meant that the version policy chooses; if none is ready, the latest that
    may become so.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self._by_name: dict[str, VersionStatus] = {}
        self._current: dict[str, VersionStatus] = {}
        self._numbers: dict[str, list[int]] = {}
        self._aliases: dict[str, list[str]] = {}
        for version in sorted(snapshot.versions, key=lambda v: (v.has_name, _preference(v.state), v.version)):
            for name in (version.model, *version.served_names):
                self._by_name[name] = version
            self._current[version.model] = version
        for version in snapshot.versions:
            self._numbers.setdefault(version.model, []).append(version.version)
            self._aliases.setdefault(version.model, []).extend(version.aliases)
            for name in (version.model, *version.served_names):
                self._by_name.setdefault(f"{name}:{version.version}", version)
                for alias in version.aliases:
                    self._by_name.setdefault(f"{name}@{alias}", version)
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
        raise self.not_found(name)

    def not_found(self, name: str) -> ModelNotFound:
        """The error for a name that means nothing here; it names only what is here."""
        return self._unknown_version(name) or self._unknown_model(name)

    def _unknown_version(self, name: str) -> ModelNotFound | None:
        wanted = version_name(name)
        if wanted is None or (current := self._by_name.get(wanted.model)) is None:
            return None
        if wanted.alias:
            what, known = f"alias {wanted.alias!r}", sorted(self._aliases[current.model])
        else:
            what, known = f"version {wanted.number}", [str(n) for n in sorted(self._numbers[current.model]) if n]
        there_is = f"it has {', '.join(known)}" if known else "it has none"
        return ModelNotFound(f"The model {wanted.model!r} has no {what}; {there_is}.", param="model")

    def _unknown_model(self, name: str) -> ModelNotFound:
        known = sorted({each for version in self._current.values() for each in (version.model, *version.served_names)})
        near = difflib.get_close_matches(name, known, n=3) or known[:5]
        hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else " The repository is empty."
        return ModelNotFound(f"The model {name!r} does not exist.{hint}", param="model")


def _preference(state: VersionState) -> int:
    # One that may still become ready before one that won't.
    return {"READY": 3, "FAILED": 1, "UNLOADED": 0}.get(state, 2)
