"""The statistics of several instances, added up."""

from __future__ import annotations

from collections.abc import Sequence

from jubako.messages import BatchStatistics, Duration, SchedulerStatistics, StatisticsResult


def total(statistics: Sequence[StatisticsResult]) -> StatisticsResult:
    """What instances of one version have done together. Of what the batchers believe, the first one's word stands for all."""
    if len(statistics) == 1:
        return statistics[0]
    return StatisticsResult(
        last_inference_ms=max((each.last_inference_ms for each in statistics), default=0),
        inferences=sum(each.inferences for each in statistics),
        executions=sum(each.executions for each in statistics),
        success=_sum([each.success for each in statistics]),
        fail=_sum([each.fail for each in statistics]),
        queue=_sum([each.queue for each in statistics]),
        compute_input=_sum([each.compute_input for each in statistics]),
        compute_infer=_sum([each.compute_infer for each in statistics]),
        compute_output=_sum([each.compute_output for each in statistics]),
        batches=_batches([batch for each in statistics for batch in each.batches]),
        scheduler=_scheduler([each.scheduler for each in statistics if each.scheduler is not None]),
        requests=sum(each.requests for each in statistics),
        last_request_ms=max((each.last_request_ms for each in statistics), default=0),
    )


def _sum(durations: Sequence[Duration]) -> Duration:
    return Duration(sum(each.count for each in durations), sum(each.ns for each in durations))


def _batches(batches: Sequence[BatchStatistics]) -> list[BatchStatistics]:
    by_size: dict[int, list[BatchStatistics]] = {}
    for batch in batches:
        by_size.setdefault(batch.batch_size, []).append(batch)
    return [
        BatchStatistics(
            size,
            _sum([each.compute_input for each in same]),
            _sum([each.compute_infer for each in same]),
            _sum([each.compute_output for each in same]),
        )
        for size, same in sorted(by_size.items())
    ]


def _scheduler(schedulers: Sequence[SchedulerStatistics]) -> SchedulerStatistics | None:
    if not schedulers:
        return None
    return SchedulerStatistics(
        fixed_s=schedulers[0].fixed_s,
        per_unit_s=schedulers[0].per_unit_s,
        arrival_gap_s=schedulers[0].arrival_gap_s,
        predicted_s=sum(each.predicted_s for each in schedulers),
        delayed=sum(each.delayed for each in schedulers),
        cancelled=sum(each.cancelled for each in schedulers),
        rejected=sum(each.rejected for each in schedulers),
        expired=sum(each.expired for each in schedulers),
        reason=schedulers[0].reason,
    )
