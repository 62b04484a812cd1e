"""A key: whose it is, and what for."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from hashlib import sha256
from typing import Final

from jubako.access.scope import Scope

EVERY_MODEL: Final = "*"

PREFIX: Final = "jk-"
"""What secrets begin with, so that scanners of code and people know one when they see it."""


@dataclass(frozen=True)
class Key:
    """
    Attributes:
        name: Whose it is, for logs and messages.
        digest: SHA-256 of the secret, which itself is nowhere kept. A slow, salted hash would add nothing: secrets are 256 random
            bits, which nobody can go through, and each request needs the digest.
        models: Entries of the repository that it is for, by their names, with ``*``, ``?`` and ``[...]`` as in a shell.
        expires: It is none any more from then on.
    """

    name: str
    digest: bytes
    scopes: tuple[Scope, ...]
    models: tuple[str, ...] = (EVERY_MODEL,)
    expires: datetime | None = None

    @property
    def is_limited(self) -> bool:
        """Whether there may be models that it is not for."""
        return EVERY_MODEL not in self.models

    def is_for(self, model: str) -> bool:
        """Whether it is for the entry of this name."""
        return any(fnmatchcase(model, pattern) for pattern in self.models)

    @property
    def has_expired(self) -> bool:
        return self.expires is not None and self.expires <= datetime.now(UTC)


NOBODY: Final = Key("", b"", scopes=(), models=())
"""Who comes without a key to a server that has keys."""


def fresh_secret() -> str:
    """256 random bits, as text."""
    return PREFIX + secrets.token_urlsafe(32)


def digest_of(secret: bytes) -> bytes:
    return sha256(secret).digest()
