"""The three models that every server serves."""

from __future__ import annotations

import random
from dataclasses import dataclass

INPUT = "INPUT0"
OUTPUT = "OUTPUT0"


@dataclass(frozen=True)
class Workload:
    """One model. It takes INPUT0 and gives OUTPUT0, both FP32 with the batch first.

    Attributes:
        width: How many numbers a row of INPUT0 has.
        slow_ms: How long one call takes, whatever its rows; 0 where that depends on the machine.
    """

    key: str
    model: str
    width: int
    title: str
    slow_ms: float = 0.0

    def row(self) -> list[float]:
        """One row, the same in every run."""
        numbers = random.Random(self.model)
        return [round(numbers.uniform(-1, 1), 4) for _ in range(self.width)]


ECHO = Workload("W0", "echo", 16, "identity of FP32 [1,16], not batched")
MLP = Workload("W1", "mlp", 256, "a torch MLP 256-1024-1024-16, batches of up to 32")
SLEEP = Workload("W2", "sleep", 16, "5 ms a call whatever the batch, up to 32", slow_ms=5.0)

WORKLOADS = {workload.key: workload for workload in (ECHO, MLP, SLEEP)}
