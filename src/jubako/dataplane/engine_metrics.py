"""The metrics that engines have of their own, passed on beside jubako's."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass

from prometheus_client.metrics_core import Metric

from jubako.messages import EngineMetric

OURS = ("model", "version", "instance")
"""The labels that each sample gets. An engine's own of these names becomes ``exported_<name>``, as Prometheus has it."""

_METRIC_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_SUFFIXES = {
    "counter": ("_total", "_created"),
    "gauge": ("",),
    "histogram": ("_bucket", "_sum", "_count", "_created"),
    "summary": ("", "_sum", "_count", "_created"),
    "unknown": ("",),
}


@dataclass(frozen=True)
class InstanceMetrics:
    """What the engine of one instance says."""

    model: str
    version: int
    instance: str
    metrics: Sequence[EngineMetric]


def engine_families(instances: Iterable[InstanceMetrics], taken: Container[str]) -> list[Metric]:
    """One family for each name, with the samples of all instances.

    What would make the page invalid is left out: a name in `taken`, which jubako gives itself, a sample whose name does not
    belong to its metric, and a metric that two engines declare with different types, of which the first stays.
    """
    families: dict[str, Metric] = {}
    for each in instances:
        labels = {"model": each.model, "version": str(each.version), "instance": each.instance}
        for metric in each.metrics:
            kind = _kind(metric)
            name = metric.name.removesuffix("_total") if kind == "counter" else metric.name
            if not metric.samples or name in taken or not _METRIC_NAME.fullmatch(name):
                continue
            family = families.setdefault(name, Metric(name, metric.documentation, kind))
            if family.type == kind:
                _add(family, metric, labels)
    return [family for family in families.values() if family.samples]


def _kind(metric: EngineMetric) -> str:
    """A counter whose samples do not end in ``_total`` has no type that the page could give it."""
    unnamed = metric.kind == "counter" and all(not sample.name.endswith(("_total", "_created")) for sample in metric.samples)
    return "unknown" if unnamed else metric.kind


def _add(family: Metric, metric: EngineMetric, labels: dict[str, str]) -> None:
    names = {family.name + suffix for suffix in _SUFFIXES[family.type]}
    for sample in metric.samples:
        if sample.name in names and all(map(_LABEL_NAME.fullmatch, sample.labels)):
            own = {f"exported_{name}" if name in OURS else name: value for name, value in sample.labels.items()}
            family.add_sample(sample.name, {**own, **labels}, sample.value)
