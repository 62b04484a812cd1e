"""The Prometheus metrics of the data plane: one vocabulary for every backend, right across gateway processes."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, values
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from jubako.dataplane.buckets import SECONDS, TOKENS
from jubako.dataplane.engine_metrics import InstanceMetrics, engine_families
from jubako.dataplane.inference_metrics import InferenceCollector, VersionStatistics
from jubako.dataplane.vllm_metrics import TextVersion, vllm_families
from jubako.errors import JubakoError
from jubako.messages import FinishReason, Timings, Usage, VersionStatus

_LABELS = ("model", "version", "task")
_VERSION = ("model", "version")


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

        def histogram(name: str, documentation: str, buckets: Sequence[float] = SECONDS) -> Histogram:
            return Histogram(name, documentation, _LABELS, buckets=buckets, registry=registry)

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
        self.success = counter("jubako_request_success", "Choices of chats and completions, by why they ended.", "finish_reason")
        self.generation = histogram("jubako_generation_seconds", "From arrival to the last byte of what was generated whole.")
        self.prompt_size = histogram("jubako_request_prompt_tokens", "Prompt tokens of a request that generated.", TOKENS)
        self.answer_size = histogram("jubako_request_generation_tokens", "Tokens that a request generated.", TOKENS)
        self.ready = latest("jubako_model_ready", "1 if the version can answer, else 0.")
        self.running = latest("jubako_requests_running", "Requests in the engines, by their own word.")
        self.queued = latest("jubako_requests_queued", "Requests that wait for a slot.")

    def of(self, version: VersionStatus, task: str) -> TaskMetrics:
        key = (version.model, version.version, task)
        if (metrics := self._tasks.get(key)) is None:
            metrics = self._tasks[key] = TaskMetrics(self, *key)
        return metrics

    def page(
        self,
        inference: Iterable[VersionStatistics] = (),
        texts: Sequence[TextVersion] = (),
        engines: Iterable[InstanceMetrics] = (),
    ) -> bytes:
        """Everything in Prometheus' text format.

        Args:
            inference: What instances of tensor models say of themselves.
            texts: The text models, whose metrics are given under vLLM's names too.
            engines: What engines measure themselves.
        """
        families = list(self._of_all_processes())
        families += vllm_families(families, texts)
        families += InferenceCollector(inference).collect()
        families += engine_families(engines, taken={family.name for family in families})
        return generate_latest(_Collected(families))

    def _of_all_processes(self) -> Iterable[Metric]:
        if self._folder is None:
            return self._registry.collect()
        _forget_dead_processes(self._folder)
        registry = CollectorRegistry()
        return MultiProcessCollector(registry, str(self._folder)).collect()  # type: ignore[no-any-return, no-untyped-call]


class _Collected(Collector):
    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


class TaskMetrics:
    """The metrics of one task of one version, with their labels looked up once."""

    def __init__(self, metrics: Metrics, model: str, version: int, task: str) -> None:
        labels = (model, str(version), task)
        self._labels = labels
        self._metrics = metrics
        self._errors = metrics.errors
        self._success: dict[str, Counter] = {}
        self.requests = metrics.requests.labels(*labels)
        self.in_flight = metrics.in_flight.labels(*labels)
        self.seconds = metrics.seconds.labels(*labels)
        self.queue = metrics.queue.labels(*labels)
        self.first_token = metrics.first_token.labels(*labels)
        self.inter_token = metrics.inter_token.labels(*labels)
        self.prompt_tokens = metrics.prompt_tokens.labels(*labels)
        self.cached_tokens = metrics.cached_tokens.labels(*labels)
        self.generated_tokens = metrics.generated_tokens.labels(*labels)

    # Of those that generate text, and of no other.

    @cached_property
    def generation(self) -> Histogram:
        return self._metrics.generation.labels(*self._labels)

    @cached_property
    def prompt_size(self) -> Histogram:
        return self._metrics.prompt_size.labels(*self._labels)

    @cached_property
    def answer_size(self) -> Histogram:
        return self._metrics.answer_size.labels(*self._labels)

    def success(self, reason: FinishReason) -> Counter:
        if (counter := self._success.get(reason)) is None:
            counter = self._success[reason] = self._metrics.success.labels(*self._labels, reason)
        return counter

    def measure(self) -> Measurement:
        return Measurement(self)

    def error(self, kind: str) -> None:
        self._errors.labels(*self._labels, kind).inc()


class Measurement:
    """One request, from `with` to the end of it. An exception that leaves the block is counted under its class's name."""

    def __init__(self, metrics: TaskMetrics) -> None:
        self._metrics = metrics
        self._start = time.perf_counter()
        self._generated = False

    def __enter__(self) -> Self:
        self._metrics.requests.inc()
        self._metrics.in_flight.inc()
        return self

    def __exit__(self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None) -> None:
        seconds = time.perf_counter() - self._start
        self._metrics.in_flight.dec()
        self._metrics.seconds.observe(seconds)
        if exc is None:
            if self._generated:
                self._metrics.generation.observe(seconds)
        else:
            self._metrics.error(type(exc).__name__ if isinstance(exc, JubakoError) else "Cancelled")

    def usage(self, usage: Usage) -> None:
        self._metrics.prompt_tokens.inc(usage.prompt_tokens)
        self._metrics.cached_tokens.inc(usage.cached_tokens)
        self._metrics.generated_tokens.inc(usage.completion_tokens)

    def finished(self, reason: FinishReason) -> None:
        """One choice of a text ended."""
        self._metrics.success(reason).inc()

    def generated(self, usage: Usage) -> None:
        """All choices of a text did; `usage` is what they cost."""
        self._generated = True
        self.usage(usage)
        self._metrics.prompt_size.observe(usage.prompt_tokens)
        self._metrics.answer_size.observe(usage.completion_tokens)

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
