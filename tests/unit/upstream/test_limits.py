"""Rate limits, circuits and retries, on a clock of the test's own."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest

from jubako.backends.upstream.breaker import CircuitBreaker
from jubako.backends.upstream.params import RetryConfig
from jubako.backends.upstream.rate import Bucket, RateLimits
from jubako.backends.upstream.retry import RetryBudget, retry_after, wait_before
from jubako.errors import Overloaded


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_fills_evenly_and_owes() -> None:
    clock = Clock()
    bucket = Bucket(60, clock)
    bucket.take(60)
    assert bucket.wait_s(1) == pytest.approx(1)
    bucket.take(1)
    assert bucket.wait_s(1) == pytest.approx(2)
    clock.now = 3
    assert bucket.wait_s(2) == 0
    clock.now = 1000
    assert bucket.wait_s(60) == 0
    assert bucket.wait_s(10_000) == 0  # more than it ever holds: a full one must do
    bucket.take(10_000)
    assert bucket.wait_s(1) == pytest.approx(9941)


async def test_what_was_used_is_settled() -> None:
    clock = Clock()
    limits = RateLimits(None, 600, longest_wait_s=5, clock=clock)
    allowance = await limits.enter(500)
    allowance.settle(100)
    allowance.settle(100)  # once is enough
    (await limits.enter(500)).settle(600)
    with pytest.raises(Overloaded) as caught:
        await limits.enter(100)
    assert caught.value.retry_after_s == pytest.approx(20)
    clock.now = 20
    await limits.enter(100)


async def test_what_is_refused_takes_nothing() -> None:
    clock = Clock()
    limits = RateLimits(1, 600, longest_wait_s=5, clock=clock)
    await limits.enter(0)
    for _ in range(3):
        with pytest.raises(Overloaded) as caught:
            await limits.enter(600)
        assert caught.value.retry_after_s == pytest.approx(60)


def test_a_circuit_lets_one_trial_through() -> None:
    clock = Clock()
    breaker = CircuitBreaker("x", failures=2, open_s=10, clock=clock)
    breaker.failed()
    breaker.succeeded()
    breaker.failed()
    assert breaker.state == "closed"
    breaker.failed()
    assert (breaker.state, breaker.lets_through(), breaker.closed_in_s()) == ("open", False, 10)
    breaker.failed()  # one that was under way
    clock.now = 10
    assert (breaker.state, breaker.lets_through()) == ("half_open", True)
    breaker.enter()
    assert (breaker.state, breaker.lets_through()) == ("half_open", False)
    breaker.gave_up()
    assert breaker.lets_through()
    breaker.enter()
    breaker.failed()
    assert (breaker.state, breaker.closed_in_s()) == ("open", 10)
    clock.now = 20
    breaker.enter()
    breaker.succeeded()
    assert (breaker.state, breaker.lets_through()) == ("closed", True)


def test_retries_are_a_part_of_requests() -> None:
    budget = RetryBudget(0.5)
    assert [budget.take() for _ in range(11)] == [True] * 10 + [False]
    budget.request()
    assert not budget.take()
    budget.request()
    assert budget.take()
    assert not RetryBudget(0).take()


def test_waits_grow_up_to_their_cap() -> None:
    config = RetryConfig(base_s=1, cap_s=4)
    for attempt, longest in enumerate((1, 2, 4, 4)):
        waits = [wait_before(attempt, config, None) or 0 for _ in range(300)]
        assert 0.7 * longest < max(waits) <= longest
        assert min(waits) < 0.3 * longest
    assert wait_before(0, config, 3) == 3
    assert wait_before(0, config, 5) is None


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(None, None), ("", None), ("soon", None), ("3", 3), ("0.5", 0.5), ("-1", 0), ("nan", None), ("inf", None)],
)
def test_retry_after_in_seconds(value: str | None, seconds: float | None) -> None:
    assert retry_after(value) == seconds


def test_retry_after_as_a_date() -> None:
    assert 3500 < (retry_after(formatdate(time.time() + 3600, usegmt=True)) or 0) <= 3600
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0
