"""Making and revoking keys: changes to their file that leave all else in it as its writer has it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from jubako.access.key import Key
from jubako.access.keyring import NAME, NAME_RULE, Keyring
from jubako.errors import ConfigurationError

_HEAD: Final = """\
# The keys of a jubako server. Only digests of their secrets are here; `jubako key` makes, lists and revokes them.

[keys]
"""

_TABLE: Final = re.compile(r"^[ \t]*\[", re.MULTILINE)
"""Where a table begins, or something in a value that looks like it."""

_REMARKS: Final = re.compile(r"(?:^[ \t]*(?:#.*)?\n)*\Z", re.MULTILINE)
"""Empty lines and comments at the end of a table: they belong to what follows."""


class KeyFile:
    """The file at `path`. Whoever reads it meanwhile sees it as it was or as it is then, and never in between."""

    def __init__(self, path: Path) -> None:
        # A link stays one: what it leads to is replaced.
        self._path = path.resolve()

    def keyring(self) -> Keyring:
        """
        Raises:
            ConfigurationError: the file is not there, can't be read or is wrong.
        """
        return Keyring.read(self._path)

    def add(self, key: Key) -> None:
        """Write `key` behind the others; into a new file, for its owner's eyes only, where there is none.

        Raises:
            ConfigurationError: another has its name, or the file is wrong or can't be written.
        """
        if not NAME.fullmatch(key.name):
            raise ConfigurationError(f"{key.name!r} is no name of a key, which is {NAME_RULE}.")

        def added(text: str, keyring: Keyring) -> str:
            if keyring.named(key.name) is not None:
                raise ConfigurationError(
                    f"{self._path} has a key {key.name!r} already. Choose another name, or first `jubako key revoke {key.name}`."
                )
            return f"{text.rstrip()}\n\n{_as_toml(key)}"

        self._change(added, lambda keys: {**keys, key.name: key})

    def remove(self, name: str) -> None:
        """Take out the key `name`.

        Raises:
            ConfigurationError: there is none, or the file is wrong or can't be written.
        """

        def removed(text: str, keyring: Keyring) -> str:
            if keyring.named(name) is None:
                names = [key.name for key in keyring]
                close = get_close_matches(name, names, n=1)
                hint = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(names) or 'none'}."
                raise ConfigurationError(f"{self._path} has no key {name!r}; {hint}")
            return _without(text, name)

        self._change(removed, lambda keys: {other: key for other, key in keys.items() if other != name})

    def _change(self, change: Callable[[str, Keyring], str], meant: Callable[[dict[str, Key]], dict[str, Key]]) -> None:
        """Replace the file's text by what `change` makes of it, if that has just the keys that are `meant`."""
        try:
            with _locked(self._path.parent):
                text = self._path.read_text(encoding="utf-8") if self._path.exists() else _HEAD
                before = Keyring.parse(text, self._path)
                changed = change(text, before)
                self._require(changed, meant({key.name: key for key in before}))
                self._replace(changed)
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
            raise ConfigurationError(f"The file of keys {self._path} can't be changed: {why}.") from None

    def _require(self, text: str, keys: dict[str, Key]) -> None:
        with contextlib.suppress(ConfigurationError):
            if {key.name: key for key in Keyring.parse(text, self._path)} == keys:
                return
        raise ConfigurationError(f"{self._path} is written in a way that this command can't change. Change it in an editor.")

    def _replace(self, text: str) -> None:
        # Made for its owner only.
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=self._path.parent, prefix=f".{self._path.name}.", delete=False
        ) as new:
            try:
                if self._path.exists():
                    _keep_permissions(self._path, new.fileno())
                new.write(text)
                new.flush()
                os.fsync(new.fileno())
                Path(new.name).replace(self._path)
            except BaseException:
                Path(new.name).unlink()
                raise


def _as_toml(key: Key) -> str:
    # A string of JSON is one of TOML, as long as nothing outside of ASCII is written as two halves.
    lines = [
        f"[keys.{key.name}]",
        f'sha256 = "{key.digest.hex()}"',
        f"scopes = {json.dumps(key.scopes)}",
        f"models = {json.dumps(key.models, ensure_ascii=False)}",
    ]
    if key.expires is not None:
        lines.append(f"expires = {key.expires.isoformat(timespec='seconds')}")
    return "\n".join(lines) + "\n"


def _without(text: str, name: str) -> str:
    """The text without the table of this key."""
    begin = re.search(rf"^[ \t]*\[[ \t]*keys[ \t]*\.[ \t]*([\"']?){re.escape(name)}\1[ \t]*\].*\n?", text, re.MULTILINE)
    if begin is None:
        return text
    following = _TABLE.search(text, begin.end())
    end = following.start() if following else len(text)
    remarks = _REMARKS.search(text[begin.end() : end])
    rest = text[: begin.start()] + (remarks[0].lstrip("\n") if remarks else "") + text[end:]
    # Without any table, that there are none must be said.
    return rest if _TABLE.search(rest) else f"{rest}[keys]\n"


def _keep_permissions(path: Path, descriptor: int) -> None:
    """Who may read the file there is, which may be another than who changes it, can read the new one."""
    there, new = path.stat(), os.fstat(descriptor)
    if (there.st_uid, there.st_gid) != (new.st_uid, new.st_gid):
        os.fchown(descriptor, there.st_uid, there.st_gid)
    os.fchmod(descriptor, there.st_mode & 0o777)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One change at a time: two would each lose the other's."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
