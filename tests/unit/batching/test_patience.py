from __future__ import annotations

import math

import pytest

from jubako.batching.queue import PATIENCE_S, patience


@pytest.mark.parametrize(
    ("deadline", "expected"),
    [(math.inf, None), (100 + PATIENCE_S + 0.1, None), (100 + PATIENCE_S, PATIENCE_S), (100.25, 0.25), (99.0, 0.0)],
)
def test_only_a_deadline_that_is_soon_bounds_the_wait(deadline: float, expected: float | None) -> None:
    assert patience(deadline, now=100.0) == expected
