"""Names: which version of which model a request means."""

from __future__ import annotations

import difflib

from jubako.errors import ModelNotFound
from jubako.messages import Snapshot, VersionStatus


class Catalog:
    """The names in one snapshot of the repository.

    A model answers to its folder's name, to its served names, and to each of these with ``:version`` behind it. Without a
    version its latest ready one is meant, or its latest if none is ready.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self._by_name: dict[str, VersionStatus] = {}
        self._current: dict[str, VersionStatus] = {}
        for version in sorted(snapshot.versions, key=lambda v: (v.state == "READY", v.version)):
            for name in (version.model, *version.served_names):
                self._by_name[name] = version
                self._by_name.setdefault(f"{name}:{version.version}", version)
            self._current[version.model] = version

    @property
    def models(self) -> list[VersionStatus]:
        """The current version of each model, by name."""
        return [self._current[model] for model in sorted(self._current)]

    def find(self, name: str) -> VersionStatus:
        """The version that `name` means.

        Raises:
            ModelNotFound: no model has that name; the message has the nearest ones.
        """
        if (version := self._by_name.get(name)) is not None:
            return version
        known = sorted({alias for version in self._current.values() for alias in (version.model, *version.served_names)})
        near = difflib.get_close_matches(name, known, n=3) or known[:5]
        hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else " The repository is empty."
        raise ModelNotFound(f"The model {name!r} does not exist.{hint}", param="model")
