"""Requests for the tests, and schedulers to give them to."""

from __future__ import annotations

from collections.abc import Hashable

from jubako.batching.batch import Batch
from jubako.batching.queued import Queued
from jubako.batching.scheduler import Scheduler
from jubako.repository.config import BatchingConfig

Request = Queued[int, int]


def ignore(answer: int | Exception) -> None:
    pass


def request(
    number: int, *, rows: int = 1, work: float | None = None, key: Hashable = None, length: int = 0, priority: int = 0
) -> Request:
    return Queued(number, ignore, rows, float(rows) if work is None else work, key, length, priority)


def scheduler(
    config: BatchingConfig | None = None, *, max_rows: int = 8, max_queue_size: int = 1000, queue_timeout_s: float | None = None
) -> Scheduler[int, int]:
    return Scheduler(
        config or BatchingConfig(),
        max_rows=max_rows,
        max_queue_size=max_queue_size,
        queue_timeout_s=queue_timeout_s,
        name="model",
    )


def started(chosen: Batch[int, int] | float | None) -> Batch[int, int]:
    """The batch, which there must be."""
    assert isinstance(chosen, Batch)
    return chosen


def numbers(chosen: Batch[int, int] | float | None) -> list[int]:
    return [member.payload for member in started(chosen).members]
