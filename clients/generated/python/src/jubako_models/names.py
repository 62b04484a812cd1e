"""The names under which the models are found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

from ._interface import INTERFACES

__all__ = ["DIGESTS", "ModelName"]

ModelName: TypeAlias = Literal[
    "HuggingFaceTB/SmolLM2-135M-Instruct",
    "language",
    "magika",
    "minilm",
    "ocr",
    "ocr-classifier",
    "ocr-detector",
    "ocr-lines",
    "ocr-prepare",
    "ocr-recogniser",
    "orientation",
    "sentence-transformers/all-MiniLM-L6-v2",
    "smollm2",
    "smollm2-transformers",
    "smollm2-vllm",
    "smollm2:135m",
]
"""What may be said wherever a client of jubako takes the name of a model."""

DIGESTS: Final[Mapping[str, str]] = {name: interface.digest for name, interface in INTERFACES.items()}
"""What the server says, by the name of a model, of one that has not changed since this package was made."""
