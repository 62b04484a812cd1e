"""Identifiers of requests and answers."""

from __future__ import annotations

import random
import re

# Seeded by the system, once: they must differ, not be secret, and a system call for each would be felt in small requests.
_source = random.Random()  # noqa: S311

_GIVEN = re.compile(rb"[!-~]{1,128}")


def accepted(given: bytes) -> str:
    """The identifier that a client gave its request, if it is printable ASCII of at most 128 characters; else empty."""
    return given.decode("ascii") if _GIVEN.fullmatch(given) else ""


def fresh_id() -> str:
    """24 hexadecimal digits that no other request has."""
    return f"{_source.getrandbits(96):024x}"


def fresh_span_id() -> str:
    """16 hexadecimal digits, not all of them zero."""
    return f"{_source.randrange(1, 2**64):016x}"
