"""Which requests share a batch, and when it is started. Synchronous, without threads, and told what time it is."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Generic, TypeVar

from jubako.batching.arrivals import Arrivals
from jubako.batching.batch import Batch
from jubako.batching.latency import LatencyModel
from jubako.batching.levels import Levels
from jubako.batching.queue import Group, Limits
from jubako.batching.queued import Queued
from jubako.errors import DeadlineExceeded
from jubako.messages import SchedulerStatistics
from jubako.repository.config import BatchingConfig

P = TypeVar("P")
R = TypeVar("R")

MARGIN = 1.25
"""An instance is held back only where what is gained is this much more than what it costs."""

SURE = 0.75
"""A request is refused for its deadline only if it would be missed even at this share of the time that is expected."""


WORTH_HOLDING_S = 1e-3
"""No instance is held back for batches that take less; timers are not more exact than that."""

SINGLES_A_LESSON = 16
"""Of requests that are computed by themselves at once, one in so many teaches how long they take."""

MODELS = 64
"""Length buckets whose times are learned apart; what is longer than the longest bucket shares what is left."""


@dataclass(slots=True)
class _Hold:
    """The idle instance is held back until so many requests wait, or until then."""

    requests: int
    until: float
    since: float


class Scheduler(Generic[P, R]):
    """Chooses batches.

    Work-conserving: an idle instance with work starts at once. The one exception are clients that were answered a moment ago and
    are expected back, see :meth:`_hold_for`.

    The one who drives it calls :meth:`add` and :meth:`cancel` as requests come and go, :meth:`next` after each turn of these and
    after each :meth:`finished`, until it gives no batch, and :meth:`expired` at :attr:`earliest_deadline`. All times are
    seconds of one clock.

    Args:
        max_rows: Most rows in a batch; with 0 and 1 each request is a batch of its own.
        max_queue_size: Most requests that wait, where `config` does not say it.
        queue_timeout_s: Longest wait, where `config` does not say it; None for any.
        name: The model's, for errors.

    Attributes:
        in_flight: Batches that were given out and are not finished.
        earliest_deadline: When the first wait of those in the queue ends; infinite if none does.
        finished_batches: How many were finished.
    """

    def __init__(
        self, config: BatchingConfig, *, max_rows: int, max_queue_size: int, queue_timeout_s: float | None, name: str
    ) -> None:
        self._name = name
        self._max_rows = max(1, max_rows)
        self._max_work = inf if config.max_work is None else config.max_work
        self._objective = None if config.latency_objective_ms is None else config.latency_objective_ms / 1e3
        self._max_delay = inf if config.max_delay_ms is None else config.max_delay_ms / 1e3
        self._max_in_flight = config.max_in_flight
        self._may_hold = self._max_rows > 1 and self._max_delay > 0.0
        preferred = tuple(sorted({size for size in config.preferred_sizes if size <= self._max_rows}))
        self._limits = Limits(self._max_rows, self._max_work, "work", preferred)
        self._padded = config.cost != "rows"
        self._levels: Levels[P, R] = Levels(
            config, max_queue_size=max_queue_size, queue_timeout_s=queue_timeout_s, name=name, padded=self._padded
        )
        self._latency: dict[int, LatencyModel] = {0: LatencyModel()}
        self._arrivals = Arrivals()
        self._hold: _Hold | None = None
        self._lapsed: list[Queued[P, R]] = []
        self._busy_until = 0.0
        self._last: Batch[P, R] | None = None
        self._predicted_s = 0.0
        self._delayed = self._cancelled = self._rejected = self._expired = 0
        self.in_flight = 0
        self.finished_batches = 0
        self.earliest_deadline = inf

    @property
    def waiting(self) -> int:
        """Requests in the queue."""
        return self._levels.requests

    def add(self, queued: Queued[P, R], now: float, timeout_s: float | None = None) -> None:
        """A request comes. Sets its arrival, level and deadline.

        Args:
            timeout_s: The longest wait that the caller asks for; it counts where it is shorter than the level's own.

        Raises:
            InvalidRequest: there is no such priority.
            Overloaded: the queue is full.
            DeadlineExceeded: the wait would surely be too long.
        """
        queued.arrival = now
        levels = self._levels
        level = levels.of(queued)
        if level.requests >= level.max_size and level.requests >= level.max_size + self._room():
            self._rejected += 1
            raise level.overloaded()
        timeout = level.timeout_s
        if timeout_s is not None and level.may_override and (timeout is None or timeout_s < timeout):
            timeout = timeout_s
            queued.in_a_hurry = True
        if timeout is not None:
            queued.deadline = now + timeout
            if self._surely_late(queued, now):
                self._expired += 1
                raise DeadlineExceeded(
                    f"The request would wait longer in the queue of the model {self._name!r} than the {timeout * 1e3:g} ms "
                    f"that {queued.limit}; try again later, or allow it more time."
                )
            self.earliest_deadline = min(self.earliest_deadline, queued.deadline)
        else:
            queued.deadline = None
        queued.state = "waiting"
        levels.add(level, queued)
        if self._may_hold:
            self._arrivals.arrived(now)

    def cancel(self, queued: Queued[P, R]) -> None:
        """Nobody waits for the request any more. Harmless at any time."""
        if queued.state == "waiting":
            queued.state = "cancelled"
            self._levels.without(queued)
            self._cancelled += 1
            if not self._levels.requests:
                self._hold = None
        elif queued.state in {"running", "expired"}:
            queued.state = "cancelled"

    def next(self, now: float) -> Batch[P, R] | float | None:
        """The batch to start now; or the time until which the idle instance is held back; or None, if there is nothing to start.

        One batch more than `max_in_flight` is given out, to start when another ends, if it is full already, so that no time
        passes between the two. Requests whose deadline has passed are in no batch.
        """
        levels = self._levels
        if self.earliest_deadline <= now:
            self._lapse(now)
        if not levels.requests:
            self._hold = None
            return None
        if self.in_flight >= self._max_in_flight:
            return self._ahead(now)
        level = levels.first()
        group = level.group()
        held = 0.0
        if self._may_hold:
            hold = self._hold
            alone = group.requests == levels.requests
            if hold is None:
                hold = self._hold_for(group, now, now) if alone and not self.in_flight else None
            elif not alone or levels.requests >= hold.requests:
                held, hold = now - hold.since, None
            elif now >= hold.until:
                held = now - hold.since
                hold = self._hold_for(group, now, hold.since)
            self._hold = hold
            if hold is not None:
                return hold.until
        members, rows, work, bound = levels.take(level, group, self._limits_for(group, now))
        return self._start(Batch(members, rows, work, group.length, bound), held, now)

    def finished(self, batch: Batch[P, R], now: float, seconds: float | None) -> None:
        """A batch ended after it ran for `seconds`; None if it failed, which teaches nothing."""
        self.in_flight -= 1
        self.finished_batches += 1
        self._busy_until = now + self._last.predicted if self.in_flight and self._last is not None else now
        if seconds is None:
            return
        self._predicted_s += batch.predicted
        self._model(batch.length).observe(batch.work, seconds)
        if self._may_hold:
            self._arrivals.answered(len(batch.members), now, seconds)

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing runs."""
        return not self.in_flight and not self._levels.requests

    def finished_single(self, seconds: float) -> None:
        """A request was computed by itself, for `seconds`, without having been added."""
        self.finished_batches += 1
        model = self._model(0)
        if model.known:
            self._predicted_s += model.predict(1.0)
        if self.finished_batches % SINGLES_A_LESSON == 0:
            model.observe(1.0, seconds)

    def expired(self, now: float) -> list[Queued[P, R]]:
        """Those whose wait has been too long, each once."""
        self._lapse(now)
        lapsed, self._lapsed = self._lapsed, []
        return [queued for queued in lapsed if queued.state == "expired"]

    def clear(self) -> list[Queued[P, R]]:
        """Give back all that wait, in the order in which they came."""
        self._hold = None
        self.earliest_deadline = inf
        return self._levels.clear()

    def quickest(self, batch: Batch[P, R]) -> float:
        """Seconds of the quickest of the latest batches of about this size; infinite while there were none."""
        return self._model(batch.length).quickest(batch.work)

    def statistics(self) -> SchedulerStatistics:
        """What it believes and did. The fitted times are those of the length that was run last."""
        last = self._last
        model = self._model(last.length if last is not None else 0)
        return SchedulerStatistics(
            fixed_s=model.fixed,
            per_unit_s=model.per_unit,
            arrival_gap_s=self._arrivals.gap,
            predicted_s=self._predicted_s,
            delayed=self._delayed,
            cancelled=self._cancelled,
            rejected=self._rejected,
            expired=self._expired,
            reason=last.explain() if last is not None else "",
        )

    def _ahead(self, now: float) -> Batch[P, R] | None:
        """A batch to start when a running one ends: only one, full, and such that nothing is lost by choosing it now."""
        levels = self._levels
        if self.in_flight > self._max_in_flight or not levels.plain or self._max_rows == 1:
            return None
        level = levels.first()
        group = level.group()
        if group.rows < self._max_rows or self.earliest_deadline != inf or self._objective is not None:
            return None
        members, rows, work, bound = levels.take(level, group, self._limits)
        return self._start(Batch(members, rows, work, group.length, bound), 0.0, now)

    def _start(self, batch: Batch[P, R], held: float, now: float) -> Batch[P, R]:
        for queued in batch.members:
            queued.state = "running"
        model = self._model(batch.length)
        if model.known:
            batch.predicted = model.fixed + model.per_unit * batch.work
        self._busy_until = max(now, self._busy_until) + batch.predicted if self.in_flight else now + batch.predicted
        if held > 0.0:
            batch.held = held
            self._delayed += 1
        batch.left = self._levels.requests
        self.in_flight += 1
        self._last = batch
        return batch

    def _limits_for(self, group: Group[P, R], now: float) -> Limits:
        """How large the batch may be: smaller than usual where the time it takes would miss the objective.

        Those inside should be answered in time, so the time left to the oldest bounds the batch; but half of the objective is
        always allowed, or else the batches would become smallest just when there is most to do.
        """
        limits = self._limits
        if self._objective is None:
            return limits
        model = self._model(group.length)
        if not model.known:
            return limits
        left = self._objective - (now - group.first().arrival)
        work = model.largest_work(max(left, self._objective / 2))
        return Limits(limits.rows, work, "objective", limits.preferred) if work < limits.work else limits

    def _hold_for(self, group: Group[P, R], now: float, since: float) -> _Hold | None:
        """Whether it pays to hold the idle instance back for clients that are expected back, and for how many.

        With `n` requests waiting and a batch time of ``a + b * work``, starting when `j` more have come, after `t` seconds, saves
        each of these about ``a - t``; it costs each of the `n` their share, ``t + b * j``, and each of the `rest` that come while
        a batch started now would run, `t`. For arrivals that are independent the cost is always the greater; for clients that
        come back together, `rest` is about 0 once they are there.
        """
        model = self._model(group.length)
        if not model.known or model.fixed < WORTH_HOLDING_S or group.rows >= self._max_rows or group.work >= self._max_work:
            return None
        count = group.requests
        rows_each, work_each = group.rows / count, group.work / count
        fixed = model.fixed
        room = min(
            (self._max_rows - group.rows) / rows_each, (self._max_work - group.work) / work_each if work_each > 0.0 else inf
        )
        each = model.per_unit * work_each
        ends = model.predict(group.work)
        soon = [(more, within) for more, within in self._arrivals.expected(now) if within < ends]
        if not soon:
            return None
        gap = self._arrivals.gap
        coming = max(soon[-1][0], ends / gap if gap > 0.0 else 0.0)
        latest = min(since + fixed, self._latest_start(group, since, ends))
        best, chosen, until = 0.0, 0, 0.0
        for more, within in soon:
            joining = min(more, room)
            gain = joining * (fixed - within) - MARGIN * (count * (within + each * joining) + max(0.0, coming - joining) * within)
            if gain > best and now < now + within <= latest:
                best, chosen, until = gain, max(1, int(joining)), now + within
            if more >= room:
                break
        return _Hold(count + chosen, until, since) if chosen else None

    def _latest_start(self, group: Group[P, R], since: float, seconds: float) -> float:
        """The time until which a hold breaks no promise."""
        latest = min(since + self._max_delay, self.earliest_deadline)
        if self._objective is not None:
            latest = min(latest, group.first().arrival + self._objective - seconds)
        return latest

    def _room(self) -> int:
        """Requests that would not have to wait, beyond those in the queue."""
        return max(0, self._max_in_flight - self.in_flight) * self._max_rows

    def _surely_late(self, queued: Queued[P, R], now: float) -> bool:
        """Whether even fewer and faster batches than are expected would leave the request waiting past its deadline."""
        levels = self._levels
        model = self._model(queued.length)
        if queued.deadline is None or not self.in_flight or not model.known or not levels.rejects(queued):
            return False
        ahead = levels.rows_before(queued)
        batches = ahead // self._max_rows / self._max_in_flight
        full = model.predict(self._max_rows * queued.work / queued.rows) if self._max_rows > 1 else model.predict(queued.work)
        starts = max(0.0, self._busy_until - now) / self._max_in_flight + batches * full
        return now + SURE * starts > queued.deadline

    def _model(self, length: int) -> LatencyModel:
        """Where rows are counted, each length bucket has times of its own; other work counts the length already."""
        if length and not self._padded:
            model = self._latency.get(length)
            if model is None and len(self._latency) <= MODELS:
                model = self._latency[length] = LatencyModel()
            if model is not None:
                return model
        return self._latency[0]

    def _lapse(self, now: float) -> None:
        lapsed = self._levels.lapse(now)
        self._expired += len(lapsed)
        self._lapsed += lapsed
        self.earliest_deadline = self._levels.earliest_deadline()
