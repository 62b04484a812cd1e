"""Which requests share a batch, and when it is started; the clock is the test's."""

from __future__ import annotations

import pytest

from jubako.batching.batch import Batch
from jubako.batching.scheduler import Scheduler
from jubako.errors import DeadlineExceeded, InvalidRequest, Overloaded
from jubako.repository.config import BatchingConfig, QueueConfig
from tests.unit.batching.requests import Request, numbers, request, scheduler, started


def _teach(adaptive: Scheduler[int, int], fixed: float, per_row: float, sizes: tuple[int, ...] = (1, 2, 4, 8)) -> None:
    """Run batches of these sizes, which take so long. All before time 0."""
    for _ in range(3):
        for size in sizes:
            for _ in range(size):
                adaptive.add(request(-1), -1000.0)
            adaptive.finished(started(adaptive.next(-1000.0)), -1000.0, fixed + per_row * size)
    assert adaptive.next(-1000.0) is None


def test_an_idle_instance_starts_at_once_with_all_that_waits() -> None:
    adaptive = scheduler()
    assert adaptive.next(0.0) is None
    for number in range(3):
        adaptive.add(request(number), 0.0)
    batch = started(adaptive.next(0.0))
    assert numbers(batch) == [0, 1, 2]
    assert batch.explain() == "3 rows of 3 requests: all that waited."


def test_a_busy_instance_gets_nothing_until_it_is_done() -> None:
    adaptive = scheduler()
    adaptive.add(request(0), 0.0)
    batch = started(adaptive.next(0.0))
    adaptive.add(request(1), 0.1)
    adaptive.add(request(2), 0.2)
    assert adaptive.next(0.2) is None
    adaptive.finished(batch, 1.0, 1.0)
    assert numbers(adaptive.next(1.0)) == [1, 2]


def test_one_full_batch_is_given_out_ahead() -> None:
    adaptive = scheduler(max_rows=2)
    for number in range(7):
        adaptive.add(request(number), 0.0)
    assert numbers(adaptive.next(0.0)) == [0, 1]
    assert numbers(adaptive.next(0.0)) == [2, 3]
    assert adaptive.next(0.0) is None


def test_several_batches_run_at_once_where_the_model_can() -> None:
    adaptive = scheduler(BatchingConfig(max_in_flight=3), max_rows=4)
    for number in range(3):
        adaptive.add(request(number), 0.0)
        assert numbers(adaptive.next(0.0)) == [number]
    adaptive.add(request(3), 0.0)
    assert adaptive.next(0.0) is None


def test_rows_are_counted_and_a_request_that_is_too_large_goes_alone() -> None:
    adaptive = scheduler(max_rows=8)
    for number, rows in enumerate([5, 3, 1, 20, 1]):
        adaptive.add(request(number, rows=rows), 0.0)
    sizes = []
    while isinstance(batch := adaptive.next(0.0), Batch):
        sizes.append(numbers(batch))
        adaptive.finished(batch, 0.0, 0.001)
    assert sizes == [[0, 1], [2], [3], [4]]


def test_work_is_counted_with_its_padding() -> None:
    adaptive = scheduler(BatchingConfig(cost="input_ids", max_work=100.0), max_rows=32)
    for number in range(6):
        adaptive.add(request(number, work=5.0, length=32), 0.0)
    batch = started(adaptive.next(0.0))
    assert (numbers(batch), batch.work, batch.bound) == ([0, 1, 2], 96.0, "work")


def test_keys_and_lengths_are_never_mixed_and_the_oldest_group_goes_first() -> None:
    adaptive = scheduler()
    for number, (key, length) in enumerate([("a", 0), ("b", 0), ("a", 8), ("b", 0), ("a", 0)]):
        adaptive.add(request(number, key=key, length=length), float(number))
    order = []
    while isinstance(batch := adaptive.next(5.0), Batch):
        order.append(numbers(batch))
        adaptive.finished(batch, 5.0, 0.001)
    assert order == [[0, 4], [1, 3], [2]]


def test_no_group_is_starved_by_another() -> None:
    adaptive = scheduler(max_rows=2)
    adaptive.add(request(-1, key="rare"), 0.0)
    for number in range(100):
        adaptive.add(request(number, key="often"), 0.001 * number)
    assert numbers(adaptive.next(1.0)) == [-1]


def test_preferred_sizes_cut_a_batch_down() -> None:
    adaptive = scheduler(BatchingConfig(preferred_sizes=[2, 4]), max_rows=8)
    for number in range(7):
        adaptive.add(request(number), 0.0)
    sizes = []
    while isinstance(batch := adaptive.next(0.0), Batch):
        sizes.append((batch.rows, batch.bound))
        adaptive.finished(batch, 0.0, 0.001)
    assert sizes == [(4, "preferred"), (2, "preferred"), (1, "waiting")]


def test_the_latency_objective_keeps_batches_small() -> None:
    adaptive = scheduler(BatchingConfig(latency_objective_ms=20.0), max_rows=32)
    _teach(adaptive, fixed=0.002, per_row=0.002)
    for number in range(20):
        adaptive.add(request(number), 0.0)
    batch = started(adaptive.next(0.0))
    assert (batch.rows, batch.bound) == (9, "objective")
    adaptive.finished(batch, 0.02, 0.02)
    assert started(adaptive.next(0.02)).rows == 4, "half of the objective is always allowed"


def test_higher_levels_go_first_and_the_middle_is_the_default() -> None:
    adaptive = scheduler(BatchingConfig(priority_levels=3))
    for number, priority in enumerate([3, 0, 1, 2]):
        adaptive.add(request(number, priority=priority), 0.0)
    order = []
    while isinstance(batch := adaptive.next(0.0), Batch):
        order.append(numbers(batch))
        adaptive.finished(batch, 0.0, 0.001)
    assert order == [[2], [1, 3], [0]]


def test_a_level_that_is_not_there_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="the highest, to 2"):
        scheduler(BatchingConfig(priority_levels=2)).add(request(0, priority=3), 0.0)
    scheduler().add(request(0, priority=3), 0.0)


def test_earlier_deadlines_go_first_and_nobody_is_passed_for_ever() -> None:
    adaptive = scheduler(max_rows=1)
    adaptive.add(request(0), 0.0)
    adaptive.add(request(1), 0.0, timeout_s=5.0)
    adaptive.add(request(2), 0.1, timeout_s=0.2)
    adaptive.add(request(3), 2.0, timeout_s=0.5)
    order = []
    while isinstance(batch := adaptive.next(0.0), Batch):
        order += numbers(batch)
        adaptive.finished(batch, 0.0, 0.001)
    assert order == [2, 0, 3, 1]


def test_who_waited_too_long_is_refused_once() -> None:
    adaptive = scheduler(BatchingConfig(queue=QueueConfig(timeout_ms=100.0)))
    adaptive.add(request(0), 0.0)
    first = started(adaptive.next(0.0))
    adaptive.add(request(1), 0.0)
    adaptive.add(request(2), 0.05)
    assert adaptive.earliest_deadline == pytest.approx(0.1)
    assert adaptive.expired(0.09) == []
    assert [late.payload for late in adaptive.expired(0.12)] == [1]
    assert adaptive.expired(0.12) == []
    adaptive.finished(first, 0.2, 0.2)
    assert adaptive.next(0.2) is None, "a batch holds nobody whose time is over"
    assert [late.payload for late in adaptive.expired(0.2)] == [2]
    assert adaptive.statistics().expired == 2


def test_who_leaves_just_after_the_time_is_over_is_not_told_so() -> None:
    adaptive = scheduler()
    one = request(0)
    adaptive.add(one, 0.0, timeout_s=0.1)
    assert adaptive.next(0.2) is None
    adaptive.cancel(one)
    assert adaptive.expired(0.2) == []


def test_who_waited_too_long_may_be_delayed_instead() -> None:
    adaptive = scheduler(BatchingConfig(queue=QueueConfig(timeout_ms=100.0, timeout_action="delay")))
    for number, at in enumerate([0.0, 0.01, 0.15]):
        adaptive.add(request(number), at)
    late = request(9)
    adaptive.add(late, 0.0)
    batch = started(adaptive.next(0.2))
    assert numbers(batch) == [2]
    assert adaptive.expired(0.2) == []
    adaptive.cancel(late)
    adaptive.finished(batch, 0.3, 0.1)
    assert numbers(adaptive.next(0.3)) == [0, 1]
    assert adaptive.waiting == 0


def test_a_caller_may_only_ask_for_a_shorter_wait() -> None:
    adaptive = scheduler(queue_timeout_s=1.0)
    shorter, longer = request(0), request(1)
    adaptive.add(shorter, 0.0, timeout_s=0.5)
    adaptive.add(longer, 0.0, timeout_s=5.0)
    assert (shorter.deadline, longer.deadline) == (0.5, 1.0)
    fixed = scheduler(BatchingConfig(queue=QueueConfig(timeout_ms=1000.0, allow_timeout_override=False)))
    fixed.add(shorter, 0.0, timeout_s=0.5)
    assert shorter.deadline == 1.0


def test_who_cannot_be_started_in_time_is_refused_at_once() -> None:
    adaptive = scheduler(max_rows=1)
    _teach(adaptive, fixed=0.0, per_row=1.0, sizes=(1, 1))
    adaptive.add(request(0), 0.0)
    assert numbers(adaptive.next(0.0)) == [0]
    for number in range(1, 4):
        adaptive.add(request(number), 0.0)
    adaptive.add(request(4), 0.0, timeout_s=4.5)
    with pytest.raises(DeadlineExceeded):
        adaptive.add(request(5), 0.0, timeout_s=0.6)
    assert adaptive.waiting == 4


def test_a_queue_holds_so_many_and_those_that_can_start_do_not_count() -> None:
    adaptive = scheduler(BatchingConfig(), max_rows=2, max_queue_size=1)
    for number in range(3):
        adaptive.add(request(number), 0.0)
    with pytest.raises(Overloaded, match="no more than 1 may"):
        adaptive.add(request(3), 0.0)
    assert numbers(adaptive.next(0.0)) == [0, 1]
    with pytest.raises(Overloaded):
        adaptive.add(request(4), 0.0)
    assert adaptive.statistics().rejected == 2


def test_the_cancelled_are_in_no_batch_and_are_counted() -> None:
    adaptive = scheduler(max_rows=4)
    waiting = [request(number) for number in range(6)]
    for one in waiting:
        adaptive.add(one, 0.0)
    for number in (0, 3):
        adaptive.cancel(waiting[number])
        adaptive.cancel(waiting[number])
    assert numbers(adaptive.next(0.0)) == [1, 2, 4, 5]
    assert adaptive.statistics().cancelled == 2
    assert adaptive.waiting == 0


def test_many_cancelled_requests_are_not_kept() -> None:
    adaptive = scheduler()
    adaptive.add(request(0), 0.0)
    adaptive.next(0.0)
    adaptive.add(request(1), 0.0)
    for number in range(10_000):
        one = request(number)
        adaptive.add(one, 0.0)
        adaptive.cancel(one)
    group = adaptive._levels.first().group()
    assert len(group._items) < 100


def _closed_loop(
    adaptive: Scheduler[int, int], clients: int, rounds: int, now: float, gap: float = 0.0001
) -> tuple[float, list[int]]:
    """Clients that ask again at once, of a model that takes 5 ms. Returns the time and the sizes of the batches."""
    coming = [(now + gap * place, place) for place in range(clients)]
    running: Batch[int, int] | None = None
    ends = until = 0.0
    sizes: list[int] = []
    while len(sizes) < rounds:
        times = [at for at, _ in coming[:1]] + ([ends] if running else []) + ([until] if until > now else [])
        now = min(times)
        while coming and coming[0][0] <= now:
            adaptive.add(request(coming.pop(0)[1]), now)
        if running and ends <= now:
            adaptive.finished(running, now, 0.005)
            coming += [(now + gap * (place + 1), member.payload) for place, member in enumerate(running.members)]
            coming.sort()
            running = None
        chosen = adaptive.next(now)
        until = chosen if isinstance(chosen, float) else 0.0
        if isinstance(chosen, Batch):
            running, ends = chosen, now + 0.005
            sizes.append(chosen.rows)
    return now, sizes


def test_an_idle_instance_waits_for_clients_that_come_back_together() -> None:
    adaptive = scheduler(max_rows=32)
    _, sizes = _closed_loop(adaptive, 20, 60, 0.0)
    assert sizes[-20:] == [20] * 20
    statistics = adaptive.statistics()
    assert statistics.delayed >= 20
    assert "expected back" in statistics.reason
    assert statistics.fixed_s == pytest.approx(0.005)


def test_when_they_leave_one_client_is_served_at_once_again() -> None:
    adaptive = scheduler(max_rows=32)
    now, _ = _closed_loop(adaptive, 20, 60, 0.0)
    adaptive._levels.clear()
    adaptive.in_flight = 0
    before = adaptive.statistics().delayed
    _, sizes = _closed_loop(adaptive, 1, 20, now + 1.0)
    assert sizes == [1] * 20
    assert adaptive.statistics().delayed <= before + 1


def test_no_delay_is_allowed_where_the_configuration_says_so() -> None:
    adaptive = scheduler(BatchingConfig(max_delay_ms=0.0), max_rows=32)
    _closed_loop(adaptive, 20, 60, 0.0)
    assert adaptive.statistics().delayed == 0


def test_a_delay_is_no_longer_than_is_allowed() -> None:
    adaptive = scheduler(BatchingConfig(max_delay_ms=0.5), max_rows=32)
    now, _ = _closed_loop(adaptive, 20, 60, 0.0)
    one: Request = request(0)
    adaptive.add(one, now)
    chosen = adaptive.next(now)
    if isinstance(chosen, float):
        assert chosen <= now + 0.0005
