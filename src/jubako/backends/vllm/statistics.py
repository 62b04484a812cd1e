"""What vLLM counts and measures."""

from __future__ import annotations

from typing import Literal, TypeGuard, get_args

from prometheus_client import REGISTRY
from vllm.config import VllmConfig
from vllm.v1.metrics.loggers import StatLoggerBase
from vllm.v1.metrics.stats import IterationStats, MultiModalCacheStats, SchedulerStats

from jubako.messages import EngineMetric, Sample

PREFIX = "vllm:"
Kind = Literal["counter", "gauge", "histogram", "summary", "unknown"]


class Steps:
    """Hears of each step of the engine."""

    def __init__(self) -> None:
        self.count = 0
        self.kv_cache_usage = 0.0

    def logger(self, config: VllmConfig, engine_index: int) -> StatLoggerBase:
        """What vLLM is to tell them to."""
        return _StepLogger(self)


class _StepLogger(StatLoggerBase):  # type: ignore[misc]
    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    def record(
        self,
        scheduler_stats: SchedulerStats | None,
        iteration_stats: IterationStats | None,
        mm_cache_stats: MultiModalCacheStats | None = None,
        engine_idx: int = 0,
    ) -> None:
        self._steps.count += 1
        if scheduler_stats is not None:
            self._steps.kv_cache_usage = scheduler_stats.kv_cache_usage

    def log_engine_initialized(self) -> None:
        pass


def metrics() -> list[EngineMetric]:
    """All that vLLM has in Prometheus' registry of this process."""
    return [
        EngineMetric(
            metric.name,
            metric.type,
            metric.documentation,
            [Sample(sample.name, dict(sample.labels), sample.value) for sample in metric.samples],
        )
        for metric in REGISTRY.collect()
        if metric.name.startswith(PREFIX) and _is_kind(metric.type)
    ]


def _is_kind(kind: str) -> TypeGuard[Kind]:
    return kind in get_args(Kind)
