"""What is learned of the time that batches take."""

from __future__ import annotations

import random
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jubako.batching.latency import LatencyModel


def test_a_line_is_found() -> None:
    model = LatencyModel()
    for work in [1, 5, 12, 32, 20, 3, 9, 28]:
        model.observe(work, 0.002 + 0.0001 * work)
    assert model.fixed == pytest.approx(0.002, rel=0.05)
    assert model.per_unit == pytest.approx(0.0001, rel=0.05)
    assert model.largest_work(0.004) == pytest.approx(20, rel=0.1)


def test_nothing_is_predicted_from_one_or_two_batches() -> None:
    model = LatencyModel()
    model.observe(1, 0.1)
    model.observe(2, 0.1)
    assert not model.known
    model.observe(3, 0.1)
    assert model.known


def test_slow_first_runs_and_stalls_count_for_nothing() -> None:
    draw = random.Random(1)
    model = LatencyModel()
    for index in range(400):
        work = draw.choice([1, 4, 16, 32])
        slow = 1.0 if index < 4 or index % 20 == 0 else 0.0
        model.observe(work, 0.005 * draw.uniform(0.95, 1.05) + slow)
    assert model.predict(32) == pytest.approx(0.005, rel=0.15)
    assert model.predict(1) == pytest.approx(0.005, rel=0.15)


def test_what_changed_is_learned_soon() -> None:
    model = LatencyModel()
    for _ in range(500):
        for work in (1, 8, 32):
            model.observe(work, 0.005)
    for _ in range(10):
        for work in (1, 8, 32):
            model.observe(work, 0.02)
    assert model.predict(32) == pytest.approx(0.02, rel=0.05)


def test_a_single_size_promises_nothing_of_larger_batches() -> None:
    model = LatencyModel()
    for _ in range(10):
        model.observe(4, 0.004)
    assert model.fixed == 0.0
    assert model.predict(8) == pytest.approx(0.008)


def test_where_more_work_takes_no_more_time_any_amount_fits() -> None:
    model = LatencyModel()
    for work in (1, 8, 32, 1, 8, 32):
        model.observe(work, 0.006 - 0.00001 * work)
    assert model.per_unit == 0.0
    assert model.largest_work(0.01) == inf
    assert model.largest_work(0.001) <= 0.0


def test_the_quickest_of_a_size_is_known() -> None:
    model = LatencyModel()
    assert model.quickest(4) == inf
    for seconds in (0.5, 0.1, 0.3):
        model.observe(4, seconds)
    assert model.quickest(5) == 0.1
    assert model.quickest(50) == inf


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e3)), min_size=1, max_size=60))
def test_no_prediction_is_ever_negative(batches: list[tuple[float, float]]) -> None:
    model = LatencyModel()
    for work, seconds in batches:
        model.observe(work, seconds)
    assert model.fixed >= 0.0
    assert model.per_unit >= 0.0
    assert 0.0 <= model.predict(1000.0) < inf
