"""What instances of tensor models say of themselves, as Prometheus metrics.

Read when the page is asked for, so that it costs no request anything. Beside our own names stand Triton's
(https://github.com/triton-inference-server/server/blob/main/docs/user_guide/metrics.md), for the dashboards that people have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from jubako.messages import SchedulerStatistics, StatisticsResult

_LABELS = ("model", "version")
_BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)

_Value = Callable[[StatisticsResult, SchedulerStatistics], float]

_COUNTERS: tuple[tuple[str, str, _Value], ...] = (
    ("jubako_inference_rows", "Rows computed by tensor models.", lambda s, _: s.inferences),
    ("jubako_batches", "Batches computed by tensor models.", lambda s, _: s.executions),
    ("jubako_batch_queue_seconds", "Time that requests waited for a batch, summed.", lambda s, _: s.queue.ns / 1e9),
    ("jubako_batch_compute_input_seconds", "Time to join inputs, summed over requests.", lambda s, _: s.compute_input.ns / 1e9),
    ("jubako_batch_compute_seconds", "Time in the engine, summed over requests.", lambda s, _: s.compute_infer.ns / 1e9),
    ("jubako_batch_compute_output_seconds", "Time to cut answers, summed over requests.", lambda s, _: s.compute_output.ns / 1e9),
    ("jubako_batch_actual_seconds", "Time that batches took.", lambda s, _: sum(_batch_seconds(s))),
    ("jubako_batch_predicted_seconds", "Time that the batcher had predicted for them.", lambda _, b: b.predicted_s),
    ("jubako_batch_delayed", "Batches held back for more requests, because that paid.", lambda _, b: b.delayed),
    ("jubako_batch_cancelled_requests", "Requests dropped from the queue: nobody waited any more.", lambda _, b: b.cancelled),
    ("jubako_batch_rejected_requests", "Requests refused because the queue was full.", lambda _, b: b.rejected),
    ("jubako_batch_expired_requests", "Requests whose time in the queue ran out.", lambda _, b: b.expired),
)

_TRITON: tuple[tuple[str, str, _Value], ...] = (
    ("nv_inference_request_success", "Successful inference requests.", lambda s, _: s.success.count),
    ("nv_inference_request_failure", "Failed inference requests.", lambda s, _: s.fail.count),
    ("nv_inference_count", "Inferences performed, a batch of n counting as n.", lambda s, _: s.inferences),
    ("nv_inference_exec_count", "Executions of the model.", lambda s, _: s.executions),
    ("nv_inference_request_duration_us", "End-to-end time of requests, microseconds.", lambda s, _: s.success.ns / 1e3),
    ("nv_inference_queue_duration_us", "Time in the queue, microseconds.", lambda s, _: s.queue.ns / 1e3),
    ("nv_inference_compute_input_duration_us", "Time for inputs, microseconds.", lambda s, _: s.compute_input.ns / 1e3),
    ("nv_inference_compute_infer_duration_us", "Time in the model, microseconds.", lambda s, _: s.compute_infer.ns / 1e3),
    ("nv_inference_compute_output_duration_us", "Time for outputs, microseconds.", lambda s, _: s.compute_output.ns / 1e3),
)


@dataclass(frozen=True)
class VersionStatistics:
    """The statistics of one version, all its instances together."""

    model: str
    version: int
    statistics: StatisticsResult


class InferenceCollector(Collector):
    """Presents `versions` to the page that is being made."""

    def __init__(self, versions: Iterable[VersionStatistics]) -> None:
        self._versions = list(versions)

    def collect(self) -> Iterator[Metric]:
        if not self._versions:
            return
        for name, documentation, value in (*_COUNTERS, *_TRITON):
            family = CounterMetricFamily(name, documentation, labels=_LABELS)
            for each in self._versions:
                scheduler = each.statistics.scheduler or SchedulerStatistics()
                family.add_metric((each.model, str(each.version)), value(each.statistics, scheduler))
            yield family
        yield self._batch_sizes()

    def _batch_sizes(self) -> Metric:
        family = HistogramMetricFamily("jubako_batch_rows", "Rows of a batch.", labels=_LABELS)
        for each in self._versions:
            sizes = [(batch.batch_size, batch.compute_infer.count) for batch in each.statistics.batches]
            buckets = [(str(bound), float(sum(n for size, n in sizes if size <= bound))) for bound in _BATCH_SIZES]
            buckets.append(("+Inf", float(sum(n for _, n in sizes))))
            total = float(sum(size * n for size, n in sizes))
            family.add_metric((each.model, str(each.version)), buckets=buckets, sum_value=total)
        return family


def _batch_seconds(statistics: StatisticsResult) -> Iterator[float]:
    for batch in statistics.batches:
        yield (batch.compute_input.ns + batch.compute_infer.ns + batch.compute_output.ns) / 1e9
