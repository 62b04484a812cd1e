"""When clients are expected back."""

from __future__ import annotations

import random

import pytest

from jubako.batching.arrivals import Arrivals

RUNS = 0.005
GAP = 0.0001


def _closed_loop(arrivals: Arrivals, clients: int, rounds: int, now: float = 0.0) -> float:
    """All clients are answered together and come back one after the other. Returns the time of the last answers."""
    for _ in range(rounds):
        arrivals.answered(clients, now, RUNS)
        for place in range(clients):
            arrivals.arrived(now + (place + 1) * GAP)
        now += clients * GAP + RUNS
    arrivals.answered(clients, now, RUNS)
    return now


def test_clients_that_came_back_together_are_expected_together() -> None:
    arrivals = Arrivals()
    now = _closed_loop(arrivals, 16, rounds=10)
    more, within = list(arrivals.expected(now))[-1]
    assert (more, round(within / GAP)) == (16, 16)
    for place in range(4):
        arrivals.arrived(now + (place + 1) * GAP)
    more, within = list(arrivals.expected(now + 4 * GAP))[-1]
    assert (more, round(within / GAP)) == (12, 12)


def test_nobody_is_expected_before_anything_was_seen() -> None:
    arrivals = Arrivals()
    assert list(arrivals.expected(0.0)) == []
    now = _closed_loop(arrivals, 16, rounds=2)
    assert list(arrivals.expected(now)) == []


def test_nobody_is_expected_when_all_are_back() -> None:
    arrivals = Arrivals()
    now = _closed_loop(arrivals, 4, rounds=10)
    for place in range(4):
        arrivals.arrived(now + (place + 1) * GAP)
    assert list(arrivals.expected(now + 4 * GAP)) == []


def test_clients_that_are_late_are_expected_no_more() -> None:
    arrivals = Arrivals()
    now = _closed_loop(arrivals, 16, rounds=10)
    arrivals.arrived(now + GAP)
    assert list(arrivals.expected(now + 1.5 * GAP))
    assert list(arrivals.expected(now + 50 * GAP)) == []


def test_a_long_silence_is_forgotten_at_once() -> None:
    arrivals = Arrivals()
    now = _closed_loop(arrivals, 16, rounds=10)
    now = _closed_loop(arrivals, 16, rounds=20, now=now + 3600.0)
    assert list(arrivals.expected(now))[-1][1] == pytest.approx(16 * GAP, rel=0.5)


def test_independent_clients_are_expected_only_at_their_rate() -> None:
    draw = random.Random(2)
    arrivals = Arrivals()
    rate, now, following = 2000.0, 0.0, 0.0
    for _ in range(200):
        arrivals.answered(10, now, RUNS)
        now += RUNS
        while following < now:
            arrivals.arrived(following)
            following += draw.expovariate(rate)
    arrivals.answered(10, now, RUNS)
    assert arrivals.gap == pytest.approx(1 / rate, rel=0.3)
    for more, within in arrivals.expected(now):
        assert within > 0.8 * more / rate
