"""Names of bentos and of BentoML's models, which BentoML bounds more than we bound those of our models."""

from __future__ import annotations

import hashlib
import re

_LONGEST = 63
_DIGEST = 12
"""Hexadecimal digits of a digest that a tag shows."""


def tag_name(model: str) -> str:
    """The model's name where BentoML takes it as it is; else one like it, with a digest that tells it from others like it."""
    plain = re.sub(r"[^a-z0-9._-]+", "-", model.lower()).strip("._-")
    if plain == model and len(plain) <= _LONGEST:
        return plain
    return f"{plain[: _LONGEST - 7].strip('._-')}-{hashlib.sha256(model.encode()).hexdigest()[:6]}".lstrip("-")


def tag_version(number: int, digest: str) -> str:
    """The version of a bento, or of BentoML's model, with the content of this digest, such as ``2-3f9ac04d51e8``."""
    return f"{number}-{digest[:_DIGEST]}"
