"""``engine:`` of a model.yaml whose backend is ``openai``."""

from __future__ import annotations

from dataclasses import dataclass, field

from jubako.backends.upstream.params import UpstreamParams


@dataclass(frozen=True, kw_only=True)
class OpenAIParams(UpstreamParams):
    """A server that speaks OpenAI's API."""

    organization: str | None = None
    """Sent as ``OpenAI-Organization``. Default: not sent."""

    project: str | None = None
    """Sent as ``OpenAI-Project``. Default: not sent."""

    fields: list[str] = field(default_factory=list)
    """Fields of requests that this upstream takes besides those that its provider is known to take, such as ``top_k``.
    Default: none."""
