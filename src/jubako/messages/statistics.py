"""What instances have done, counted."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class Duration(Struct, frozen=True, array_like=True):
    """How often something happened, and how long it took together, in nanoseconds."""

    count: int = 0
    ns: int = 0


class BatchStatistics(Struct, frozen=True, array_like=True):
    """The executions of one batch size, in rows."""

    batch_size: int
    compute_input: Duration = Duration()
    compute_infer: Duration = Duration()
    compute_output: Duration = Duration()


class SchedulerStatistics(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the batcher believes and did.

    Attributes:
        fixed_s: Fitted seconds of an execution of no work, `a` of ``a + b * work``.
        per_unit_s: Fitted seconds of each unit of work, `b`.
        arrival_gap_s: Estimated time between arrivals, seconds.
        predicted_s: Sum of the predicted times of all executions, to hold against the sum of the actual ones.
        delayed: Executions that were held back for more requests.
        cancelled: Requests that were dropped from the queue because nobody waited any more.
        rejected: Requests that were refused because the queue was full.
        expired: Requests whose time in the queue ran out, or that could not have met their deadline.
        reason: Why the last batch was as large as it was, in a sentence.
    """

    fixed_s: float = 0.0
    per_unit_s: float = 0.0
    arrival_gap_s: float = 0.0
    predicted_s: float = 0.0
    delayed: int = 0
    cancelled: int = 0
    rejected: int = 0
    expired: int = 0
    reason: str = ""


class Sample(Struct, frozen=True, array_like=True):
    """One value of an engine's metric, as Prometheus' text format writes it: with its whole name and its labels."""

    name: str
    labels: dict[str, str]
    value: float


class EngineMetric(Struct, frozen=True, array_like=True):
    """A metric of the engine's own, passed on as it is."""

    name: str
    kind: Literal["counter", "gauge", "histogram", "summary", "unknown"]
    documentation: str
    samples: list[Sample]


class StatisticsResult(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="statistics_result"):
    """What one instance has done since it was loaded. The durations are those of KServe's statistics extension.

    Attributes:
        last_inference_ms: When the last request came, milliseconds since 1970.
        inferences: Rows that were computed; `executions`: batches.
        requests: Requests of every kind that have come, whatever became of them.
        last_request_ms: When the last of them came, milliseconds since 1970; 0 before the first.
    """

    last_inference_ms: int = 0
    inferences: int = 0
    executions: int = 0
    success: Duration = Duration()
    fail: Duration = Duration()
    queue: Duration = Duration()
    compute_input: Duration = Duration()
    compute_infer: Duration = Duration()
    compute_output: Duration = Duration()
    batches: list[BatchStatistics] = []
    scheduler: SchedulerStatistics | None = None
    engine_metrics: list[EngineMetric] = []
    requests: int = 0
    last_request_ms: int = 0
