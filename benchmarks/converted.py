"""The weights of an example that is made of a GGUF file, and the interpreter of its engine."""

from __future__ import annotations

import sys
from pathlib import Path

from jubako.backends.declarations import BACKENDS
from jubako.conversion import Conversion, converted_weights, converting_interpreter, dtype_for
from jubako.environments import Tenant, interpreter
from jubako.paths import default_cache, shipped
from jubako.repository.cache import Cache
from jubako.repository.progress import Silent
from jubako.repository.repository import read_repository
from jubako.repository.sources import fetch_weights


def interpreter_of(entry: str) -> str:
    """The Python that runs the example `entry`.

    Raises:
        ConfigurationError: its environment has not been made.
    """
    model = read_repository(shipped("model_repository"), BACKENDS).models[entry]
    return interpreter(Tenant.of(model), default_cache()) or sys.executable


def weights_of(entry: str, python: str) -> Path:
    """The Hugging Face folder of the example `entry`, made by the interpreter `python` if it is not there."""
    model = read_repository(shipped("model_repository"), BACKENDS).models[entry]
    cache = Cache(default_cache())
    file = fetch_weights(model.latest, cache, Silent())
    assert file is not None
    conversion = Conversion.of(file, str(model.latest.source), dtype_for(model.latest.engine), cache, Silent())
    assert conversion is not None
    return converted_weights(
        conversion, cache.root, python=lambda: converting_interpreter(python, cache.root), watch=lambda words, share: None
    )
