"""Whatever comes, whenever it is cancelled: what the scheduler never does."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from jubako.batching.batch import Batch
from jubako.batching.scheduler import Scheduler
from jubako.errors import DeadlineExceeded, Overloaded
from jubako.repository.config import BatchingConfig, QueueConfig
from tests.unit.batching.requests import Request, request, scheduler


@dataclass
class _Fates:
    waiting: dict[int, Request] = field(default_factory=dict)
    running: list[Batch[int, int]] = field(default_factory=list)
    over: set[int] = field(default_factory=set)


configurations = st.builds(
    BatchingConfig,
    max_delay_ms=st.sampled_from([None, 0.0, 2.0]),
    latency_objective_ms=st.sampled_from([None, 10.0]),
    max_work=st.sampled_from([None, 20.0]),
    cost=st.sampled_from(["rows", "elements"]),
    preferred_sizes=st.sampled_from([[], [2, 4]]),
    max_in_flight=st.integers(1, 3),
    priority_levels=st.sampled_from([0, 1, 3]),
    queue=st.builds(
        QueueConfig,
        max_size=st.sampled_from([None, 6]),
        timeout_ms=st.sampled_from([None, 20.0]),
        timeout_action=st.sampled_from(["reject", "delay"]),
    ),
)


class AnySchedule(RuleBasedStateMachine):
    """Each request has one fate: it is in one batch, expired, cancelled, or still waiting."""

    @initialize(config=configurations, max_rows=st.sampled_from([0, 1, 4, 8]))
    def begin(self, config: BatchingConfig, max_rows: int) -> None:
        self.config = config
        self.max_rows = max_rows
        self.scheduler: Scheduler[int, int] = scheduler(config, max_rows=max_rows)
        self.now = 0.0
        self.count = 0
        self.fates = _Fates()

    @rule(
        rows=st.integers(1, 10),
        key=st.sampled_from(["a", "b", None]),
        length=st.sampled_from([0, 4]),
        priority=st.integers(0, 3),
        timeout_s=st.sampled_from([None, 0.005, 0.05]),
    )
    def comes(self, rows: int, key: str | None, length: int, priority: int, timeout_s: float | None) -> None:
        levels = self.config.priority_levels
        one = request(self.count, rows=rows, key=key, length=length, priority=min(priority, levels))
        self.count += 1
        try:
            self.scheduler.add(one, self.now, timeout_s)
        except (Overloaded, DeadlineExceeded):
            self.fates.over.add(one.payload)
        else:
            self.fates.waiting[one.payload] = one

    @rule(milliseconds=st.sampled_from([0.01, 1.0, 7.0, 30.0]))
    def time_passes(self, milliseconds: float) -> None:
        self.now += milliseconds / 1e3

    @rule()
    def starts(self) -> None:
        self._start()

    def _start(self) -> None:
        while isinstance(chosen := self.scheduler.next(self.now), Batch):
            self._check(chosen)
            self.fates.running.append(chosen)
            for member in chosen.members:
                assert self.fates.waiting.pop(member.payload) is member
        if isinstance(chosen, float):
            assert self.now < chosen <= self.now + 1.0
            assert not self.fates.running

    @rule(failed=st.booleans())
    def ends(self, failed: bool) -> None:
        self._end(failed)

    def _end(self, failed: bool) -> None:
        if self.fates.running:
            batch = self.fates.running.pop(0)
            self.now += 0.004
            self.scheduler.finished(batch, self.now, None if failed else 0.004)
            self.fates.over.update(member.payload for member in batch.members)

    @rule(place=st.integers(0, 30))
    def one_is_cancelled(self, place: int) -> None:
        if self.fates.waiting:
            number = sorted(self.fates.waiting)[place % len(self.fates.waiting)]
            one = self.fates.waiting.pop(number)
            self.scheduler.cancel(one)
            self.scheduler.cancel(one)
            self.fates.over.add(number)

    @rule()
    def one_that_runs_is_cancelled(self) -> None:
        if self.fates.running:
            self.scheduler.cancel(self.fates.running[0].members[0])

    @rule()
    def expires(self) -> None:
        self._expire()

    def _expire(self) -> None:
        for late in self.scheduler.expired(self.now):
            assert late.deadline is not None
            assert late.deadline <= self.now
            assert self.config.queue.timeout_action == "reject"
            del self.fates.waiting[late.payload]
            self.fates.over.add(late.payload)

    @invariant()
    def none_is_lost(self) -> None:
        if not hasattr(self, "fates"):
            return
        running = sum(len(batch.members) for batch in self.fates.running)
        assert self.count == len(self.fates.waiting) + running + len(self.fates.over)
        assert self.scheduler.in_flight == len(self.fates.running)
        assert self.scheduler.in_flight <= self.config.max_in_flight + 1

    def teardown(self) -> None:
        """All that wait are answered in the end, in no more batches than there are requests."""
        if not hasattr(self, "fates"):
            return
        for _ in range(2 * self.count + 2):
            self._expire()
            self._start()
            self._end(failed=False)
            self.now += 1.0
        assert not self.fates.waiting
        assert self.scheduler.waiting == 0

    def _check(self, batch: Batch[int, int]) -> None:
        members = batch.members
        assert members
        assert len({(member.key, member.length) for member in members}) == 1
        assert len({member.priority for member in members}) == 1
        assert batch.rows == sum(member.rows for member in members)
        if len(members) > 1:
            assert batch.rows <= self.max_rows
            assert batch.work <= (self.config.max_work or 1e9)
            padded = 4.0 if members[0].length and self.config.cost != "rows" else 0.0
            assert batch.work == sum(max(member.work, padded * member.rows) for member in members)
        for member in members:
            assert member.deadline is None or member.deadline > self.now


TestAnySchedule = AnySchedule.TestCase
TestAnySchedule.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.booleans()), min_size=1, max_size=60), st.integers(1, 5))
def test_waiting_is_bounded_by_what_came_before(arrivals: list[tuple[str, bool]], max_rows: int) -> None:
    """Without deadlines, a request is never passed by a batch of requests that all came after it."""
    adaptive = scheduler(BatchingConfig(max_delay_ms=0.0), max_rows=max_rows)
    waiting: set[int] = set()
    for number, (key, runs) in enumerate(arrivals):
        adaptive.add(request(number, key=key), float(number))
        waiting.add(number)
        if runs and isinstance(batch := adaptive.next(float(number)), Batch):
            taken = {member.payload for member in batch.members}
            assert min(waiting) in taken
            waiting -= taken
            adaptive.finished(batch, float(number), 0.001)
