"""``engine:`` of a model.yaml whose backend is ``anthropic``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge

from jubako.backends.upstream.params import UpstreamParams


@dataclass(frozen=True, kw_only=True)
class AnthropicParams(UpstreamParams):
    """A server that speaks Anthropic's messages API."""

    version: str = "2023-06-01"
    """Sent as ``anthropic-version``. Default 2023-06-01."""

    beta: str | None = None
    """Sent as ``anthropic-beta``. Default: not sent."""

    max_tokens: Annotated[int, Ge(1)] = 4096
    """Most tokens of an answer for requests that name no limit, which this API always wants. Default 4096."""
