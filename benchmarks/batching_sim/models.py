"""How long a simulated model takes."""

from __future__ import annotations

import random


class Model:
    """``fixed + per_row * rows`` seconds, times noise, and now and then a stall.

    Args:
        noise: Standard deviation of the logarithm of a factor with median 1.
        stall_every: Batches of which one, on average, takes `stall` seconds more; 0 for never.
    """

    def __init__(
        self, name: str, fixed: float, per_row: float = 0.0, *, noise: float = 0.0, stall_every: int = 0, stall: float = 0.05
    ) -> None:
        self.name = name
        self.fixed = fixed
        self.per_row = per_row
        self.noise = noise
        self.stall_every = stall_every
        self.stall = stall
        self._draw = random.Random(5)

    @property
    def certain(self) -> bool:
        return not self.noise and not self.stall_every

    def expected(self, rows: int) -> float:
        return self.fixed + self.per_row * rows

    def begin(self) -> None:
        self._draw = random.Random(5)

    def seconds(self, rows: int) -> float:
        taken = self.expected(rows)
        if self.noise:
            taken *= self._draw.lognormvariate(0.0, self.noise)
        if self.stall_every and self._draw.random() < 1 / self.stall_every:
            taken += self.stall
        return taken
