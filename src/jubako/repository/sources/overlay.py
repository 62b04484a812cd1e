"""The files of an image or artifact, layer over layer."""

from __future__ import annotations

from jubako.errors import ConfigurationError
from jubako.repository.cache import StoredFile
from jubako.repository.sources.layers import Change, Link, Removal

_MOST_LINKS = 40  # on the way to one file, as for Linux


class Overlay:
    """Told of one change after the other; later ones win.

    Args:
        what: The image, for errors.
    """

    def __init__(self, what: str) -> None:
        self.what = what
        self._entries: dict[str, StoredFile | Link] = {}

    def apply(self, change: Change) -> None:
        if isinstance(change, Removal):
            inside = f"{change.path}/" if change.path else ""
            gone = [path for path in self._entries if path.startswith(inside) or (path == change.path and not change.only_inside)]
            for path in gone:
                del self._entries[path]
        else:
            self._entries[change.path] = change

    def files(self) -> dict[str, StoredFile]:
        """Every file by its path; links are followed, and a link to a folder has the folder's files.

        Raises:
            ConfigurationError: a link leads nowhere, or in a circle.
        """
        found: dict[str, StoredFile] = {}
        for path, entry in self._entries.items():
            for name, file in self._followed(path, entry, _MOST_LINKS):
                found[name] = StoredFile(name, file.sha256, file.size)
        return found

    def _followed(self, path: str, entry: StoredFile | Link, left: int) -> list[tuple[str, StoredFile]]:
        if isinstance(entry, StoredFile):
            return [(path, entry)]
        target = self._entries.get(entry.target)
        inside = [] if target else [name for name in self._entries if name.startswith(f"{entry.target}/")]
        if not left or not (target or inside) or path.startswith(f"{entry.target}/"):
            raise ConfigurationError(f"In {self.what}, {path!r} is a link to {entry.target!r}, which is no file of it.")
        if target:
            return self._followed(path, target, left - 1)
        below = [(f"{path}{name.removeprefix(entry.target)}", self._entries[name]) for name in inside]
        return [found for name, other in below for found in self._followed(name, other, left - 1)]
