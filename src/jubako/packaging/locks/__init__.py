"""The pinned packages of images: a file for each kind, with a version a line. ``python -m jubako.packaging.lock`` makes them."""

from __future__ import annotations

from pathlib import Path

LOCKS = Path(__file__).parent

PYTHON = "3.11"
"""The version of Python for which they are, and which the images have."""

CORE = "core"
"""The lock of backends that need no engine."""


def pins(lock: str) -> list[str]:
    """The packages of a lock, such as ``numpy==2.4.6``."""
    return (LOCKS / f"{lock}.txt").read_text(encoding="utf-8").splitlines()


def lock_for(backend: str) -> str:
    """The name of the lock with what a backend needs."""
    return backend if (LOCKS / f"{backend}.txt").is_file() else CORE
