"""The metrics of text models under vLLM's names, whatever their engine, for the dashboards and autoscalers that people have.

The names, types and meanings are those of vLLM's V1 engine (https://docs.vllm.ai/en/stable/usage/metrics/). They are made out of
jubako's own metrics when the page is asked for, so they cost a request nothing. vLLM serves one model and calls each of its
engines by a number; here a model is one engine, `engine="0"`, however many instances it has, and `version` is a label besides.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import inf

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.utils import floatToGoString

from jubako.dataplane.buckets import SECONDS, TOKENS

LABELS = ("model_name", "engine", "version")

_GENERATING = ("chat", "complete")
"""The tasks whose requests vLLM would count too."""

_COUNTERS = (
    ("jubako_prompt_tokens", "vllm:prompt_tokens", "Prompt tokens, cached ones included."),
    ("jubako_generation_tokens", "vllm:generation_tokens", "Generated tokens."),
)
_HISTOGRAMS = (
    ("jubako_time_to_first_token_seconds", "vllm:time_to_first_token_seconds", "Time to the first token.", SECONDS),
    ("jubako_inter_token_seconds", "vllm:inter_token_latency_seconds", "Time between tokens.", SECONDS),
    ("jubako_generation_seconds", "vllm:e2e_request_latency_seconds", "Time from arrival to the end of the answer.", SECONDS),
    ("jubako_queue_seconds", "vllm:request_queue_time_seconds", "Time in the queue.", SECONDS),
    ("jubako_request_prompt_tokens", "vllm:request_prompt_tokens", "Prompt tokens of a request.", TOKENS),
    ("jubako_request_generation_tokens", "vllm:request_generation_tokens", "Generated tokens of a request.", TOKENS),
)

_REASONS = {"stop": "stop", "tool_calls": "stop", "content_filter": "stop", "length": "length"}
"""vLLM's reason for each of OpenAI's."""
_ERRORS = {"Cancelled": "abort", "InternalError": "error", "InstanceLost": "error"}
"""And for the errors that vLLM counts among its ends. It never sees a request that was refused."""
_ALL_REASONS = ("stop", "length", "abort", "error", "repetition")

_Version = tuple[str, str]


@dataclass(frozen=True)
class TextVersion:
    """One version of a model that chats or completes, and how busy its instances say they are.

    Attributes:
        kv_cache_usage: How full their caches of keys and values are on average, from 0 to 1; None where they do not tell.
    """

    model: str
    version: int
    running: int
    waiting: int
    kv_cache_usage: float | None = None

    @property
    def key(self) -> _Version:
        return self.model, str(self.version)

    @property
    def labels(self) -> tuple[str, str, str]:
        return self.model, "0", str(self.version)


def vllm_families(ours: Iterable[Metric], versions: Sequence[TextVersion]) -> Iterator[Metric]:
    """vLLM's metrics of `versions`, which are zero before the first request, out of jubako's own."""
    if not versions:
        return
    by_name = {family.name: family for family in ours}
    yield from _gauges(versions)
    for source, name, documentation in _COUNTERS:
        values = _sums(by_name.get(source), f"{source}_total", "task")
        counter = CounterMetricFamily(name, documentation, labels=LABELS)
        for version in versions:
            counter.add_metric(version.labels, sum(values.get(version.key, {}).values()))
        yield counter
    for source, name, documentation, bounds in _HISTOGRAMS:
        buckets, sums = _sums(by_name.get(source), f"{source}_bucket", "le"), _sums(by_name.get(source), f"{source}_sum", "task")
        zeros = {_written(bound): 0.0 for bound in (*bounds, inf)}
        histogram = HistogramMetricFamily(name, documentation, labels=LABELS)
        for version in versions:
            counts = {**zeros, **buckets.get(version.key, {})}
            histogram.add_metric(version.labels, list(counts.items()), sum(sums.get(version.key, {}).values()))
        yield histogram
    yield _successes(by_name, versions)


def _gauges(versions: Sequence[TextVersion]) -> Iterator[Metric]:
    running = GaugeMetricFamily("vllm:num_requests_running", "Requests in the engines.", labels=LABELS)
    waiting = GaugeMetricFamily("vllm:num_requests_waiting", "Requests that wait for a place in an engine.", labels=LABELS)
    usage = GaugeMetricFamily("vllm:kv_cache_usage_perc", "How full the KV cache is; 1 is full.", labels=LABELS)
    for version in versions:
        running.add_metric(version.labels, version.running)
        waiting.add_metric(version.labels, version.waiting)
        if version.kv_cache_usage is not None:
            usage.add_metric(version.labels, version.kv_cache_usage)
    yield running
    yield waiting
    if usage.samples:
        yield usage


def _successes(by_name: dict[str, Metric], versions: Sequence[TextVersion]) -> Metric:
    finished = _sums(by_name.get("jubako_request_success"), "jubako_request_success_total", "finish_reason")
    failed = _sums(by_name.get("jubako_request_errors"), "jubako_request_errors_total", "kind")
    family = CounterMetricFamily("vllm:request_success", "Ended answers, by the reason.", labels=(*LABELS, "finished_reason"))
    for version in versions:
        counts = dict.fromkeys(_ALL_REASONS, 0.0)
        for reason, count in finished.get(version.key, {}).items():
            counts[_REASONS.get(reason, "stop")] += count
        for kind, count in failed.get(version.key, {}).items():
            if (ended := _ERRORS.get(kind)) is not None:
                counts[ended] += count
        for reason, count in counts.items():
            family.add_metric((*version.labels, reason), count)
    return family


def _sums(family: Metric | None, sample_name: str, label: str) -> dict[_Version, dict[str, float]]:
    """The samples of that name by version and `label`, the tasks that generate added up.

    Of several processes a family is there only once it has a sample.
    """
    sums: dict[_Version, dict[str, float]] = {}
    for sample in family.samples if family is not None else ():
        if sample.name == sample_name and sample.labels["task"] in _GENERATING:
            of_version = sums.setdefault((sample.labels["model"], sample.labels["version"]), {})
            value = sample.labels[label]
            of_version[value] = of_version.get(value, 0.0) + sample.value
    return sums


def _written(bound: float) -> str:
    """A bucket's bound as the library writes it."""
    return floatToGoString(bound)  # type: ignore[no-any-return, no-untyped-call]
