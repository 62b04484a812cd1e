"""``engine:`` of a model.yaml whose backend is ``ensemble``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import MinLen

from jubako.repository.config import CLOSED


@dataclass(frozen=True, kw_only=True)
class EnsembleStep:
    """One call of another model."""

    __pydantic_config__ = CLOSED

    model: Annotated[str, MinLen(1)]
    """The model, by any name that requests may use; ``name:2`` for version 2. Required."""

    inputs: Annotated[dict[str, str], MinLen(1)]
    """Which tensor of the ensemble each of the model's inputs takes. Required."""

    outputs: Annotated[dict[str, str], MinLen(1)]
    """What each of the model's outputs is called in the ensemble; those that are left out are not computed. Required."""


@dataclass(frozen=True, kw_only=True)
class EnsembleParams:
    """Parameters of the ensemble backend."""

    __pydantic_config__ = CLOSED

    steps: Annotated[list[EnsembleStep], MinLen(1)]
    """The calls, in any order: each begins as soon as its inputs are there. Required."""
