"""Which interpreter converts."""

from __future__ import annotations

import sys
from pathlib import Path

from jubako.environments import Tenant, interpreter
from jubako.environments.interpreters import ask
from jubako.errors import ConfigurationError

NEEDED = ("torch", "transformers", "gguf", "safetensors", "tqdm")
"""Modules that :mod:`jubako.conversion.gguf_to_hf` imports."""


def converting_interpreter(own: str, cache_dir: Path) -> str:
    """Path of an interpreter that can convert: `own`, the one that runs the entry, or that of the transformers backend.

    Args:
        own: "" for the server's own.

    Raises:
        ConfigurationError: there is none; the message has the command that makes one.
    """
    path = own or sys.executable
    if not ask(Path(path), NEEDED).missing:
        return path
    transformers = Tenant(model="", folder=Path(), backend="transformers", environment=None, modules=NEEDED)
    try:
        return interpreter(transformers, cache_dir) or sys.executable
    except ConfigurationError as error:
        raise ConfigurationError(f"GGUF files are converted in the environment of transformers. {error.message}") from None
