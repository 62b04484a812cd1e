"""Identifiers of requests and answers."""

from __future__ import annotations

import random

# Seeded by the system, once: they must differ, not be secret, and a system call for each would be felt in small requests.
_source = random.Random()  # noqa: S311


def fresh_id() -> str:
    """24 hexadecimal digits that no other request has."""
    return f"{_source.getrandbits(96):024x}"
