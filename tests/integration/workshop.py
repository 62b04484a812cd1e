"""Where bentos are built, and a model to build them of."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.unit.cli.command import clean_environment

TIMEOUT_S = 170

TIMES = """
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from jubako.model import ModelContext, Shape

Values = NDArray[np.int64]


class Model:
    def __init__(self, context: ModelContext) -> None:
        self.factor = int(context.weights.read_text())

    def infer(self, a: Annotated[Values, Shape(-1)]) -> Annotated[Values, Shape(-1, name="b")]:
        return a * self.factor
"""
"""A model.py that multiplies `a` by the number that is its weights."""


@dataclass(frozen=True)
class Workshop:
    """A folder with a model repository, a cache, and BentoML's folder of its own."""

    folder: Path

    @property
    def home(self) -> Path:
        return self.folder / "bentoml"

    @property
    def repository(self) -> Path:
        return self.folder / "models"

    def jubako(self, *arguments: str, succeeds: bool = True, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "BENTOML_HOME": str(self.home),
            "JUBAKO_REPOSITORY": str(self.repository),
            "JUBAKO_CACHE_DIR": str(self.folder / "cache"),
        }
        ended = subprocess.run(
            [sys.executable, "-m", "jubako", *arguments],
            env=clean_environment(**environment | variables),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        assert (ended.returncode == 0) is succeeds, ended.stderr
        return ended

    def place(self, tag: str) -> Path:
        """The folder of a bento."""
        return self.home / "bentos" / tag.replace(":", "/")

    def described(self, tag: str) -> dict[str, Any]:
        """Its bento.yaml."""
        found: dict[str, Any] = yaml.safe_load((self.place(tag) / "bento.yaml").read_text())
        return found
