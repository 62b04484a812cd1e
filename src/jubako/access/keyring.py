"""The keys of one file.

::

    [keys.alice]
    sha256 = "3f0a..."                  # of the secret, which only alice has
    scopes = ["infer"]
    models = ["smollm2", "qwen*"]       # default: every model
    expires = 2027-01-31T00:00:00Z      # default: never
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from jubako.access.key import EVERY_MODEL, Key, digest_of
from jubako.access.scope import SCOPES, Scope
from jubako.errors import ConfigurationError

NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")

NAME_RULE: Final = "up to 64 letters, digits, hyphens and underscores"

_RULES: Final = {
    "sha256": "64 digits of 0-9 and a-f: the SHA-256 of the secret, and not the secret",
    "scopes": f"a list of at least one of {', '.join(map(repr, SCOPES))}",
    "models": "a list of at least one name of a model, or pattern such as 'qwen*'",
    "expires": "a date and time with its offset, such as 2027-01-31T00:00:00Z",
}


class _Entry(BaseModel):
    """A key as the file has it."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    scopes: list[Scope] = Field(min_length=1)
    models: list[Annotated[str, Field(min_length=1)]] = Field(default=[EVERY_MODEL], min_length=1)
    expires: AwareDatetime | None = None


class Keyring:
    """Keys, each of a name and a digest of its own."""

    def __init__(self, keys: Mapping[str, Key]) -> None:
        self._by_name = keys
        self._by_digest = {key.digest: key for key in keys.values()}

    def __iter__(self) -> Iterator[Key]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)

    def named(self, name: str) -> Key | None:
        return self._by_name.get(name)

    def find(self, secret: bytes) -> Key | None:
        """The key with this secret, expired or not. How long it takes tells nothing: what is compared are digests, of which
        nobody can choose the first bytes."""
        return self.with_digest(digest_of(secret))

    def with_digest(self, digest: bytes) -> Key | None:
        """The key whose secret has this digest."""
        return self._by_digest.get(digest)

    @classmethod
    def read(cls, file: Path) -> Self:
        """
        Raises:
            ConfigurationError: the file can't be read, or something in it is wrong; the message says where, and all of it.
        """
        try:
            text = file.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise ConfigurationError(
                f"There is no file of keys {file}. Make one with `jubako key create NAME --file {file}`."
            ) from None
        except OSError as error:
            raise ConfigurationError(f"The file of keys {file} can't be read: {error.strerror}.") from None
        except UnicodeDecodeError:
            raise ConfigurationError(f"The file of keys {file} is not text in UTF-8.") from None
        return cls.parse(text, file)

    @classmethod
    def parse(cls, text: str, file: Path) -> Self:
        """The keys in the text of `file`.

        Raises:
            ConfigurationError: as :meth:`read`.
        """
        try:
            document = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ConfigurationError(f"The file of keys {file} is not TOML: {error}.") from None
        problems = [f"`{name}` does not belong there" for name in document if name != "keys"]
        tables = document.get("keys")
        if not isinstance(tables, dict):
            # An empty file is one that is being written; without this, that moment would shut everybody out.
            problems.append("it needs a table [keys], which may be empty")
            tables = {}
        keys: dict[str, Key] = {}
        for name, table in tables.items():
            try:
                keys[name] = _key(name, table)
            except ValidationError as error:
                problems += [_sentence(name, detail) for detail in error.errors(include_input=False)]
            except ValueError as error:
                problems.append(str(error))
        problems += _shared(keys)
        if problems:
            raise ConfigurationError("\n".join(f"In the file of keys {file}, {problem}." for problem in problems))
        return cls(keys)


def _key(name: str, table: object) -> Key:
    if not NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a key, which is {NAME_RULE}")
    if not isinstance(table, dict):
        raise ValueError(f"keys.{name} must be a table with the fields {', '.join(_RULES)}")
    entry = _Entry.model_validate(table)
    return Key(name, bytes.fromhex(entry.sha256), tuple(entry.scopes), tuple(entry.models), entry.expires)


def _sentence(name: str, detail: ErrorDetails) -> str:
    # What stands there is not repeated: it may be a secret in the wrong place.
    field = str(detail["loc"][0])
    if detail["type"] == "missing":
        return f"keys.{name} has no `{field}`"
    if detail["type"] == "extra_forbidden":
        close = get_close_matches(field, _RULES, n=1)
        hint = f"did you mean `{close[0]}`?" if close else f"the fields are {', '.join(_RULES)}"
        return f"keys.{name} has a field `{field}`, which is none; {hint}"
    return f"keys.{name}.{field} must be {_RULES[field]}"


def _shared(keys: Mapping[str, Key]) -> Iterator[str]:
    """What is wrong where two keys have the same secret: nobody could say whose it is."""
    seen: dict[bytes, str] = {}
    for name, key in keys.items():
        if key.digest in seen:
            yield f"keys.{seen[key.digest]} and keys.{name} have the same sha256"
        seen.setdefault(key.digest, name)
