"""A file of keys of every kind, and their secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from jubako.access.key import Key, digest_of
from jubako.access.key_file import KeyFile

SECRETS = {
    "infer": "jk-infer",
    "admin": "jk-admin",
    "metrics": "jk-metrics",
    "everything": "jk-everything",
    "limited": "jk-limited",
}
"""By the names of the keys. Those of scopes have that one only; limited has all, for a single model."""

LIMITED_TO = "talk"


def key(name: str) -> Key:
    secret = digest_of(SECRETS[name].encode())
    match name:
        case "infer" | "admin" | "metrics":
            return Key(name, secret, (name,))
        case "everything":
            return Key(name, secret, ("infer", "admin", "metrics"))
        case _:
            return Key(name, secret, ("infer", "admin", "metrics"), (LIMITED_TO,))


@pytest.fixture
def key_path(tmp_path: Path) -> Path:
    path = tmp_path / "keys.toml"
    for name in SECRETS:
        KeyFile(path).add(key(name))
    return path


def bearer(name: str) -> dict[str, str]:
    """The header that shows a key."""
    return {"authorization": f"Bearer {SECRETS[name]}"}
