"""Which file of a version is the model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jubako.backends.base import ModelSpec
from jubako.errors import ConfigurationError


def model_file(spec: ModelSpec, suffixes: Sequence[str]) -> Path:
    """The version's weights if they are a file; of a folder ``model.<suffix>``, or else the only file with a suffix of these.

    Args:
        suffixes: Such as ``.onnx``, the preferred one first.

    Raises:
        ConfigurationError: there is none, or it is not clear which.
    """
    if spec.weights is None:
        raise ConfigurationError(f"The model {spec.model!r} has no weights; its entry needs a `source`.")
    weights = Path(spec.weights)
    if not weights.exists():
        raise ConfigurationError(f"The model {spec.model!r} has its weights at {weights}, and there is nothing.")
    return weights if weights.is_file() else _in_folder(weights, suffixes)


def version_folder(spec: ModelSpec) -> Path:
    """Where the entry keeps what belongs to this version, such as code; the folder of the weights, if there is no entry."""
    if spec.folder:
        return Path(spec.folder) / str(spec.version)
    weights = Path(spec.weights or ".")
    return weights if weights.is_dir() else weights.parent


def _in_folder(folder: Path, suffixes: Sequence[str]) -> Path:
    usual = [folder / f"model{suffix}" for suffix in suffixes]
    if named := next((path for path in usual if path.is_file()), None):
        return named
    found = sorted(path for path in folder.iterdir() if path.suffix in suffixes and path.is_file())
    if len(found) == 1:
        return found[0]
    wanted = " or ".join(f"model{suffix}" for suffix in suffixes)
    if not found:
        raise ConfigurationError(f"There is no {wanted} in {folder}. Put the model there, or name its file as `source`.")
    names = ", ".join(path.name for path in found)
    raise ConfigurationError(f"There are several models in {folder}: {names}. Call one of them {wanted}, or name it as `source`.")
