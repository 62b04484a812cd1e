"""How patiently an instance's failures are met."""

from __future__ import annotations

import pytest

from jubako.runner.restarts import RestartPolicy, Restarts


def test_delays_double_up_to_the_longest_with_jitter() -> None:
    restarts = Restarts(RestartPolicy(most_failures=100))
    delays = [restarts.delay_after_failure(now=1000.0 * i, ready_since=None) for i in range(12)]
    for delay, nominal in zip(delays, [0.5, 1, 2, 4, 8, 16, 30, 30, 30, 30, 30, 30], strict=True):
        assert delay == pytest.approx(nominal, rel=0.25)
    assert len(set(delays)) == len(delays)


def test_five_failures_without_becoming_ready_are_enough() -> None:
    restarts = Restarts(RestartPolicy())
    delays = [restarts.delay_after_failure(now=1000.0 * i, ready_since=None) for i in range(5)]
    assert [delay is None for delay in delays] == [False, False, False, False, True]


def test_being_ready_between_failures_forgives_them() -> None:
    restarts = Restarts(RestartPolicy())
    for i in range(50):
        now = 1000.0 * i
        assert restarts.delay_after_failure(now, ready_since=now - 1 if i % 4 == 3 else None) is not None


def test_five_crashes_within_a_minute_are_enough_even_if_it_became_ready() -> None:
    restarts = Restarts(RestartPolicy())
    delays = [restarts.delay_after_failure(now=14.0 * i, ready_since=14.0 * i - 1) for i in range(5)]
    assert [delay is None for delay in delays] == [False, False, False, False, True]


def test_slower_crashes_are_met_for_ever() -> None:
    restarts = Restarts(RestartPolicy())
    assert all(restarts.delay_after_failure(now=16.0 * i, ready_since=16.0 * i - 1) is not None for i in range(100))


def test_a_long_time_in_service_begins_the_delays_anew() -> None:
    restarts = Restarts(RestartPolicy())
    for i in range(3):
        restarts.delay_after_failure(now=float(i), ready_since=None)
    assert restarts.delay_after_failure(now=100.0, ready_since=40.0) == pytest.approx(0.5, rel=0.25)
