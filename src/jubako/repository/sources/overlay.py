"""The files of an image or artifact, layer over layer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from jubako.errors import ConfigurationError
from jubako.repository.cache import StoredFile
from jubako.repository.source import inner_path
from jubako.repository.sources.layers import MOST_FILES, Change, Link, Removal

_MOST_LINKS = 40  # on the way to one file, as for Linux

_Node: TypeAlias = "StoredFile | Link | dict[str, _Node]"


class Overlay:
    """Told of one change after the other; later ones win, and what stands in the way of one is gone.

    Args:
        what: The image, for errors.
    """

    def __init__(self, what: str) -> None:
        self.what = what
        self._root: dict[str, _Node] = {}

    def apply(self, change: Change) -> None:
        if isinstance(change, Removal):
            self._remove(change)
            return
        *folders, name = change.path.split("/")
        at = self._root
        for folder in folders:
            inside = at.get(folder)
            if not isinstance(inside, dict):
                inside = at[folder] = {}
            at = inside
        meant = self._find(change.target) if isinstance(change, Link) and change.hard else None
        at[name] = meant if isinstance(meant, StoredFile) else change

    def files(self) -> dict[str, StoredFile]:
        """Every file by its path; links are followed, and a link to a folder has the folder's files.

        Raises:
            ConfigurationError: a link leads nowhere, or in a circle, or links make more files than anybody needs.
        """
        found: dict[str, StoredFile] = {}
        for count, (path, node) in enumerate(self._followed("", self._root, _MOST_LINKS)):
            if count > MOST_FILES:
                raise ConfigurationError(f"{self.what} has more than {MOST_FILES} files by its links. Nothing of it was taken.")
            if isinstance(node, StoredFile):
                found[path] = StoredFile(path, node.sha256, node.size)
        return found

    def _remove(self, removal: Removal) -> None:
        if removal.only_inside:
            emptied = self._find(removal.path)
            if isinstance(emptied, dict):
                emptied.clear()
            return
        folder, _, name = removal.path.rpartition("/")
        parent = self._find(folder)
        if isinstance(parent, dict):
            parent.pop(name, None)

    def _find(self, path: str) -> _Node | None:
        """What is at `path`, on the way to which no link is followed."""
        node: _Node | None = self._root
        for part in path.split("/") if path else ():
            node = node.get(part) if isinstance(node, dict) else None
        return node

    def _followed(self, path: str, node: _Node, left: int) -> Iterator[tuple[str, _Node]]:
        """Every file and folder; `left` is how many more links may be followed to one."""
        if isinstance(node, Link):
            target = self._find(node.target) if node.target else None
            if not left or not target or path.startswith(f"{node.target}/"):
                raise ConfigurationError(f"In {self.what}, {path!r} is a link to {node.target!r}, which is no file of it.")
            yield from self._followed(path, target, left - 1)
            return
        yield path, node
        if isinstance(node, dict):
            for name, below in node.items():
                inside = inner_path(f"{path}/{name}" if path else name, self.what)
                yield from self._followed(inside, below, left)
