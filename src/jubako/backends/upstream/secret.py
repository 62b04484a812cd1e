"""Keys: where they come from, and how they are kept out of everything that is shown."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from jubako.errors import ConfigurationError

log = logging.getLogger(__name__)

_HIDDEN = "[hidden]"
_SHORTEST = 4
"""A shorter value is not looked for in texts: it would be found everywhere."""


class Redaction:
    """Takes secrets out of texts that others wrote, such as an upstream's error that repeats the key."""

    def __init__(self) -> None:
        self._values: set[str] = set()

    def hide(self, value: str) -> None:
        """Hide `value` from now on."""
        if len(value) >= _SHORTEST:
            self._values.add(value)

    def __call__(self, text: str) -> str:
        """`text` without any of them. Must be applied before a text is cut: half a key would not be found."""
        # The longest first: one may be a part of another.
        for value in sorted(self._values, key=len, reverse=True):
            text = text.replace(value, _HIDDEN)
        return text


class Secret:
    """One key, from an environment variable or from a file that may be written anew at any time.

    Raises:
        ConfigurationError: the variable or the file is missing, empty or no key; the message names it, never its value.
    """

    def __init__(self, redaction: Redaction, *, variable: str = "", file: str = "") -> None:
        self._redaction = redaction
        self._file = Path(file) if file else None
        self._seen: tuple[int, int, int] | None = None
        self._value = _checked(_variable(variable), f"The environment variable {variable}") if not file else ""
        if self._file is not None:
            self._value = self._read(self._file)
        redaction.hide(self._value)

    def value(self) -> str:
        """The key as it is now. While its file can't be read, the last one stays."""
        if self._file is not None:
            try:
                if _state(self._file) != self._seen:
                    self._value = self._read(self._file)
                    self._redaction.hide(self._value)
            except (OSError, ConfigurationError) as error:
                if self._seen is not None:
                    log.warning("the key that was read last stays in use: %s", error)
                self._seen = None
        return self._value

    def _read(self, file: Path) -> str:
        try:
            self._seen = _state(file)
            text = file.read_text("utf-8")
        except OSError as error:
            raise ConfigurationError(f"The file of the key, {file}, can't be read: {error.strerror}.") from None
        except UnicodeDecodeError:
            raise ConfigurationError(f"The file of the key, {file}, is not text.") from None
        return _checked(text, f"The file of the key, {file},")


def from_environment(variable: str, redaction: Redaction) -> str:
    """The value of an environment variable that holds a secret.

    Raises:
        ConfigurationError: it is missing, empty, or can't be sent in a header.
    """
    value = _checked(_variable(variable), f"The environment variable {variable}")
    redaction.hide(value)
    return value


def _variable(name: str) -> str:
    value = os.environ.get(name)
    if value is None:
        raise ConfigurationError(
            f"The environment variable {name} is not set. Set it for the server, or name another with `api_key_env` "
            "or a file with `api_key_file` in the entry."
        )
    return value


def _state(file: Path) -> tuple[int, int, int]:
    status = file.stat()
    return status.st_mtime_ns, status.st_size, status.st_ino


def _checked(text: str, what: str) -> str:
    value = text.strip()
    if not value:
        raise ConfigurationError(f"{what} is empty; it must hold the key.")
    if not (value.isascii() and value.isprintable()):
        raise ConfigurationError(f"{what} holds what can't be sent in a header: a key is one line of ASCII.")
    return value
