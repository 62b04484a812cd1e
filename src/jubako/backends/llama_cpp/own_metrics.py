"""The metrics of llama.cpp's server, read from its page, which is Prometheus' text format without labels."""

from __future__ import annotations

from typing import Literal

from jubako.messages import EngineMetric, Sample

Kind = Literal["counter", "gauge", "unknown"]

_KINDS: dict[str, Kind] = {"counter": "counter", "gauge": "gauge"}


def read_page(page: str) -> list[EngineMetric]:
    """What ``GET /metrics`` answered: a line of HELP, one of TYPE and one with the value, for each metric."""
    documentation: dict[str, str] = {}
    kinds: dict[str, str] = {}
    metrics: list[EngineMetric] = []
    for line in page.splitlines():
        if line.startswith("# HELP "):
            name, _, text = line.removeprefix("# HELP ").partition(" ")
            documentation[name] = text
        elif line.startswith("# TYPE "):
            name, _, kind = line.removeprefix("# TYPE ").partition(" ")
            kinds[name] = kind
        elif line and not line.startswith("#"):
            name, _, value = line.partition(" ")
            kind = _KINDS.get(kinds.get(name, ""), "unknown")
            metrics.append(EngineMetric(name, kind, documentation.get(name, ""), [Sample(name, {}, float(value))]))
    return metrics
