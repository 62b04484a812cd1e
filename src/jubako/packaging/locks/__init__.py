"""The pinned packages of images: a file for each kind, with a version a line. ``python -m jubako.packaging.lock`` makes them.

An engine that computes with PyTorch has a lock for each variant, ``torch-cpu.txt`` and ``torch-cuda.txt``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from jubako.errors import ConfigurationError

LOCKS = Path(__file__).parent

PYTHON = "3.11"
"""The version of Python for which they are, and which the images have."""

CORE = "core"
"""The lock of backends that need no engine."""

Variant = Literal["cpu", "cuda"]
"""Which build of PyTorch an image has: without CUDA, or with it for NVIDIA GPUs. Images without PyTorch have no variants."""

USUAL: Variant = "cuda"
"""What is meant where nobody says a variant, on every machine: the same entry must give the same bento."""


def pins(lock: str) -> list[str]:
    """The packages of a lock, such as ``numpy==2.4.6``."""
    return (LOCKS / f"{lock}.txt").read_text(encoding="utf-8").splitlines()


def variants_of(backend: str) -> list[Variant]:
    """The variants of a backend's image; none where it is the same for all machines."""
    return [variant for variant in get_args(Variant) if (LOCKS / f"{backend}-{variant}.txt").is_file()]


def lock_for(backend: str, variant: Variant = USUAL) -> str:
    """The name of the lock with what a backend needs. `variant` means nothing to a backend without variants.

    Raises:
        ConfigurationError: the backend has other variants only.
    """
    variants = variants_of(backend)
    if not variants:
        return backend if (LOCKS / f"{backend}.txt").is_file() else CORE
    if variant not in variants:
        raise ConfigurationError(f"An image for {backend} has no variant {variant!r}; there is {' and '.join(variants)}.")
    return f"{backend}-{variant}"
