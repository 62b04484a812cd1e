"""The Prometheus metrics of the data plane: one vocabulary for every backend, right across gateway processes.

With ``PROMETHEUS_MULTIPROC_DIR`` set (BentoML sets it) all gateway processes write to one folder and any of them answers for all.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, generate_latest, values
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from jubako.errors import JubakoError
from jubako.messages import Timings, Usage, VersionStatus

FOLDER = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
if FOLDER is not None:
    # The library asks the kernel for the process's number at every increment, in case of a fork. Gateways do not fork.
    _pid = os.getpid()
    values.ValueClass = values.MultiProcessValue(lambda: _pid)  # type: ignore[no-untyped-call]

_LABELS = ("model", "version", "task")
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250)

REQUESTS = Counter("jubako_requests", "Requests that named a known model, answered or not.", _LABELS)
ERRORS = Counter("jubako_request_errors", "Requests that failed, by the kind of error.", (*_LABELS, "kind"))
IN_FLIGHT = Gauge("jubako_requests_in_flight", "Requests being answered now.", _LABELS, multiprocess_mode="livesum")
REQUEST_SECONDS = Histogram("jubako_request_seconds", "From arrival to the last byte.", _LABELS, buckets=_SECONDS)
QUEUE_SECONDS = Histogram("jubako_queue_seconds", "Wait for a slot of the engine.", _LABELS, buckets=_SECONDS)
FIRST_TOKEN_SECONDS = Histogram(
    "jubako_time_to_first_token_seconds", "From arrival at the instance to the first token.", _LABELS, buckets=_SECONDS
)
INTER_TOKEN_SECONDS = Histogram(
    "jubako_inter_token_seconds", "Between one arrival of tokens and the next.", _LABELS, buckets=_SECONDS
)
PROMPT_TOKENS = Counter("jubako_prompt_tokens", "Prompt tokens, cached ones included.", _LABELS)
CACHED_TOKENS = Counter("jubako_cached_prompt_tokens", "Prompt tokens that the engine had in its cache.", _LABELS)
GENERATED_TOKENS = Counter("jubako_generation_tokens", "Generated tokens.", _LABELS)
READY = Gauge("jubako_model_ready", "1 if the version can answer, else 0.", ("model", "version"), multiprocess_mode="mostrecent")
RUNNING = Gauge(
    "jubako_requests_running", "Requests in the engines, by their own word.", ("model", "version"), multiprocess_mode="mostrecent"
)
QUEUED = Gauge("jubako_requests_queued", "Requests that wait for a slot.", ("model", "version"), multiprocess_mode="mostrecent")


class TaskMetrics:
    """The metrics of one task of one version, with their labels looked up once."""

    def __init__(self, model: str, version: int, task: str) -> None:
        labels = (model, str(version), task)
        self._labels = labels
        self.requests = REQUESTS.labels(*labels)
        self.in_flight = IN_FLIGHT.labels(*labels)
        self.seconds = REQUEST_SECONDS.labels(*labels)
        self.queue = QUEUE_SECONDS.labels(*labels)
        self.first_token = FIRST_TOKEN_SECONDS.labels(*labels)
        self.inter_token = INTER_TOKEN_SECONDS.labels(*labels)
        self.prompt_tokens = PROMPT_TOKENS.labels(*labels)
        self.cached_tokens = CACHED_TOKENS.labels(*labels)
        self.generated_tokens = GENERATED_TOKENS.labels(*labels)

    def measure(self) -> Measurement:
        return Measurement(self)

    def error(self, kind: str) -> None:
        ERRORS.labels(*self._labels, kind).inc()


class Measurement:
    """One request, from `with` to the end of it. An exception that leaves the block is counted under its class's name."""

    def __init__(self, metrics: TaskMetrics) -> None:
        self._metrics = metrics
        self._start = time.perf_counter()

    def __enter__(self) -> Self:
        self._metrics.requests.inc()
        self._metrics.in_flight.inc()
        return self

    def __exit__(self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None) -> None:
        self._metrics.in_flight.dec()
        self._metrics.seconds.observe(time.perf_counter() - self._start)
        if exc is not None:
            self._metrics.error(type(exc).__name__ if isinstance(exc, JubakoError) else "Cancelled")

    def usage(self, usage: Usage) -> None:
        self._metrics.prompt_tokens.inc(usage.prompt_tokens)
        self._metrics.cached_tokens.inc(usage.cached_tokens)
        self._metrics.generated_tokens.inc(usage.completion_tokens)

    def timings(self, timings: Timings) -> None:
        self._metrics.queue.observe(timings.queue_s)
        if timings.first_token_s is not None:
            self._metrics.first_token.observe(timings.first_token_s)
        for gap in timings.gaps_s:
            self._metrics.inter_token.observe(gap)


class Metrics:
    """All tasks' metrics, and the page that Prometheus reads."""

    def __init__(self) -> None:
        self._tasks: dict[tuple[str, int, str], TaskMetrics] = {}

    def of(self, version: VersionStatus, task: str) -> TaskMetrics:
        key = (version.model, version.version, task)
        if (metrics := self._tasks.get(key)) is None:
            metrics = self._tasks[key] = TaskMetrics(*key)
        return metrics

    def page(self) -> bytes:
        """The metrics of all gateway processes in Prometheus' text format."""
        if FOLDER is None:
            return generate_latest(REGISTRY)
        _forget_dead_processes(Path(FOLDER))
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)


def _forget_dead_processes(folder: Path) -> None:
    """A gateway that was killed can't take its requests in flight off the gauge; their files name its process."""
    for file in folder.glob("gauge_live*_*.db"):
        pid = int(file.stem.rpartition("_")[2])
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]
