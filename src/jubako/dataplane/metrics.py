"""The Prometheus metrics of the data plane: one vocabulary for every backend, right across gateway processes."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, values
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from jubako.dataplane.inference_metrics import InferenceCollector, VersionStatistics
from jubako.errors import JubakoError
from jubako.messages import Timings, Usage, VersionStatus

_LABELS = ("model", "version", "task")
_VERSION = ("model", "version")
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250)


class Metrics:
    """All metrics of this process, and the page that Prometheus reads.

    Args:
        folder: Where several gateway processes keep their values, in files that each can read, so that any of them answers for
            all. None keeps them in memory, which costs a small request a fifth of the time, and is right for a single process.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._registry = registry = CollectorRegistry()
        self._tasks: dict[tuple[str, int, str], TaskMetrics] = {}
        # The library has one kind of value for a process, and would go by an environment variable that BentoML always sets.
        values.ValueClass = _values_in_files() if folder is not None else values.MutexValue

        def histogram(name: str, documentation: str) -> Histogram:
            return Histogram(name, documentation, _LABELS, buckets=_SECONDS, registry=registry)

        def counter(name: str, documentation: str, *more: str) -> Counter:
            return Counter(name, documentation, (*_LABELS, *more), registry=registry)

        def latest(name: str, documentation: str) -> Gauge:
            return Gauge(name, documentation, _VERSION, multiprocess_mode="mostrecent", registry=registry)

        self.requests = counter("jubako_requests", "Requests that named a known model, answered or not.")
        self.errors = counter("jubako_request_errors", "Requests that failed, by the kind of error.", "kind")
        self.in_flight = Gauge(
            "jubako_requests_in_flight", "Requests being answered now.", _LABELS, multiprocess_mode="livesum", registry=registry
        )
        self.seconds = histogram("jubako_request_seconds", "From arrival to the last byte.")
        self.queue = histogram("jubako_queue_seconds", "Wait for a slot of the engine.")
        self.first_token = histogram("jubako_time_to_first_token_seconds", "From arrival at the instance to the first token.")
        self.inter_token = histogram("jubako_inter_token_seconds", "Between one arrival of tokens and the next.")
        self.prompt_tokens = counter("jubako_prompt_tokens", "Prompt tokens, cached ones included.")
        self.cached_tokens = counter("jubako_cached_prompt_tokens", "Prompt tokens that the engine had in its cache.")
        self.generated_tokens = counter("jubako_generation_tokens", "Generated tokens.")
        self.ready = latest("jubako_model_ready", "1 if the version can answer, else 0.")
        self.running = latest("jubako_requests_running", "Requests in the engines, by their own word.")
        self.queued = latest("jubako_requests_queued", "Requests that wait for a slot.")

    def of(self, version: VersionStatus, task: str) -> TaskMetrics:
        key = (version.model, version.version, task)
        if (metrics := self._tasks.get(key)) is None:
            metrics = self._tasks[key] = TaskMetrics(self, *key)
        return metrics

    def page(self, inference: Iterable[VersionStatistics]) -> bytes:
        """The metrics of all gateway processes, and of the instances' own word, in Prometheus' text format."""
        of_instances = CollectorRegistry()
        of_instances.register(InferenceCollector(inference))
        if self._folder is None:
            return generate_latest(self._registry) + generate_latest(of_instances)
        _forget_dead_processes(self._folder)
        registry = CollectorRegistry()
        MultiProcessCollector(registry, str(self._folder))  # type: ignore[no-untyped-call]
        return generate_latest(registry) + generate_latest(of_instances)


class TaskMetrics:
    """The metrics of one task of one version, with their labels looked up once."""

    def __init__(self, metrics: Metrics, model: str, version: int, task: str) -> None:
        labels = (model, str(version), task)
        self._labels = labels
        self._errors = metrics.errors
        self.requests = metrics.requests.labels(*labels)
        self.in_flight = metrics.in_flight.labels(*labels)
        self.seconds = metrics.seconds.labels(*labels)
        self.queue = metrics.queue.labels(*labels)
        self.first_token = metrics.first_token.labels(*labels)
        self.inter_token = metrics.inter_token.labels(*labels)
        self.prompt_tokens = metrics.prompt_tokens.labels(*labels)
        self.cached_tokens = metrics.cached_tokens.labels(*labels)
        self.generated_tokens = metrics.generated_tokens.labels(*labels)

    def measure(self) -> Measurement:
        return Measurement(self)

    def error(self, kind: str) -> None:
        self._errors.labels(*self._labels, kind).inc()


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


def _values_in_files() -> type:
    pid = os.getpid()
    # The library's own asks the kernel for the process's number at every increment, in case of a fork. Gateways do not fork.
    return values.MultiProcessValue(lambda: pid)  # type: ignore[no-any-return, no-untyped-call]


def _forget_dead_processes(folder: Path) -> None:
    """A gateway that was killed can't take its requests in flight off the gauge; their files name its process."""
    for file in folder.glob("gauge_live*_*.db"):
        pid = int(file.stem.rpartition("_")[2])
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]
