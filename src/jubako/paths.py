"""Where things are: the user's folders, and what ships with jubako."""

from __future__ import annotations

import os
from pathlib import Path


def default_cache() -> Path:
    """``$XDG_CACHE_HOME/jubako``, else ``~/.cache/jubako``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jubako"


def bentoml_models() -> list[Path]:
    """The folders in which BentoML keeps models, by name and version: that of the bento in a container, and that of the user."""
    bento = os.environ.get("BENTO_PATH")
    return [*([Path(bento) / "models"] if bento else []), bentoml_home() / "models"]


def bentoml_home() -> Path:
    """Where BentoML keeps what belongs to the user."""
    return Path(os.environ.get("BENTOML_HOME") or Path.home() / "bentoml")


def default_repository() -> Path:
    """``model_repository`` in the working directory if there is one, else the shipped one."""
    here = Path.cwd() / "model_repository"
    return here if here.is_dir() else shipped("model_repository")


def shipped(name: str) -> Path:
    """A top-level folder of the project, such as ``services``.

    It is in the package once that is installed, beside it in a bento, and beside ``src`` in a checkout.
    """
    package = Path(__file__).parent
    places = (package / "_shipped" / name, package.parent / name)
    return next((place for place in places if place.is_dir()), package.parents[1] / name)
