"""Reads an estimator from its file."""

from __future__ import annotations

import pickle
import sys
import zipfile
from pathlib import Path
from typing import Final, Protocol

import joblib
import skops.io

from jubako.backends.base import ModelSpec
from jubako.backends.sklearn.params import SklearnParams
from jubako.backends.tensor.files import model_file, version_folder
from jubako.errors import ConfigurationError
from jubako.tensors import Array

SUFFIXES: Final = (".skops", ".joblib", ".pkl", ".pickle")
"""Of files that estimators are in, the preferred one first."""


class Method(Protocol):
    """One of an estimator's methods. Takes rows, and gives an array with as many."""

    def __call__(self, rows: Array) -> Array: ...


def read_estimator(spec: ModelSpec, params: SklearnParams) -> object:
    """
    Raises:
        ConfigurationError: there is no such file, or it holds what the entry does not trust.
    """
    file = model_file(spec, SUFFIXES)
    return _read_skops(file, params) if _is_skops(file) else _read_pickle(file, spec, params)


def _is_skops(file: Path) -> bool:
    if not zipfile.is_zipfile(file):
        return False
    with zipfile.ZipFile(file) as archive:
        return "schema.json" in archive.namelist()


def _read_skops(file: Path, params: SklearnParams) -> object:
    untrusted = sorted(set(skops.io.get_untrusted_types(file=file)) - set(params.trusted))
    if untrusted:
        raise ConfigurationError(
            f"{file} holds types that nobody has said to be trusted: {', '.join(untrusted)}. If you know them, and where the "
            f"file comes from, write `trusted: [{', '.join([*params.trusted, *untrusted])}]` under `engine`."
        )
    try:
        return skops.io.load(file, trusted=params.trusted)
    except (ImportError, AttributeError, TypeError, ValueError, KeyError) as error:
        raise ConfigurationError(f"{file} can't be read: {error}. Was it made with another version of scikit-learn?") from error


def _read_pickle(file: Path, spec: ModelSpec, params: SklearnParams) -> object:
    if not params.allow_pickle:
        raise ConfigurationError(
            f"{file} is no skops file, and reading any other can run any code. Save the estimator with skops.io.dump instead, "
            "or, if you made the file yourself, write `allow_pickle: true` under `engine`."
        )
    for folder in (spec.folder, str(version_folder(spec))):
        if folder and folder not in sys.path:
            sys.path.insert(0, folder)
    try:
        return joblib.load(file)
    except (ImportError, AttributeError, pickle.UnpicklingError, EOFError, KeyError, IndexError, ValueError) as error:
        raise ConfigurationError(f"{file} can't be read: {error}.") from error
