"""``engine:`` of a model.yaml whose backend is ``echo``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge

from jubako.repository.config import CLOSED


@dataclass(frozen=True, kw_only=True)
class EchoParams:
    """Parameters of the echo backend."""

    __pydantic_config__ = CLOSED

    slots: Annotated[int, Ge(1)] = 1024
    """Requests answered at once; more wait in the queue. Default 1024."""

    token_delay_s: Annotated[float, Ge(0)] = 0.0
    """Time between two words, in seconds. Default 0: the whole answer at once."""

    load_delay_s: Annotated[float, Ge(0)] = 0.0
    """How long loading takes, in seconds. Default 0."""

    context_length: Annotated[int, Ge(1)] = 4096
    """Words that a prompt may have. Default 4096."""
