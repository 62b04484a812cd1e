"""How the upstreams of an entry fare, as metrics that the gateway passes on."""

from __future__ import annotations

from collections.abc import Sequence

from jubako.backends.upstream.target import Target
from jubako.messages import EngineMetric, Sample

_STATES = {"closed": 0.0, "half_open": 1.0, "open": 2.0}


def metrics_of(targets: Sequence[Target], retries: int) -> list[EngineMetric]:
    """Labels carry host and port, and nothing else of the URL. Upstreams that share them are numbered."""
    names = _distinct([target.name for target in targets])
    return [
        EngineMetric(
            "jubako_upstream_requests",
            "counter",
            "Requests sent to an upstream, by the status of the answer; `error` is none, `broken` one that broke off.",
            [
                Sample("jubako_upstream_requests_total", {"upstream": name, "status": status}, float(count))
                for name, target in zip(names, targets, strict=True)
                for status, count in sorted(target.outcomes.items())
            ],
        ),
        EngineMetric(
            "jubako_upstream_retries",
            "counter",
            "Requests that were sent again after a failure.",
            [Sample("jubako_upstream_retries_total", {}, float(retries))],
        ),
        EngineMetric(
            "jubako_upstream_in_flight",
            "gauge",
            "Requests that an upstream is answering.",
            [
                Sample("jubako_upstream_in_flight", {"upstream": name}, float(target.in_flight))
                for name, target in zip(names, targets, strict=True)
            ],
        ),
        EngineMetric(
            "jubako_upstream_circuit_state",
            "gauge",
            "Whether requests are sent to an upstream: 0 closed, so they are; 1 half open, one as a trial; 2 open, none.",
            [
                Sample("jubako_upstream_circuit_state", {"upstream": name}, _STATES[target.breaker.state])
                for name, target in zip(names, targets, strict=True)
            ],
        ),
    ]


def _distinct(names: Sequence[str]) -> list[str]:
    return [name if names.count(name) == 1 else f"{name}#{number}" for number, name in enumerate(names)]
