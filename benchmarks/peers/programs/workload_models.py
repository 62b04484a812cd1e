"""The three models in numpy and torch, for servers that call Python. One measurement alone sets `SLEEP_S` and `CALLS_FILE`."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float32]
WIDTHS = {"echo": 16, "mlp": 256, "sleep": 16}
SLEEP_S = float(os.environ.get("SLEEP_S", "0.005"))
CALLS = os.environ.get("CALLS_FILE")


def load(model: str) -> Callable[[Rows], Rows]:
    """The model as a function of rows, ready to be called."""
    match model:
        case "echo":
            return lambda rows: rows
        case "sleep":
            return _sleep
        case "mlp":
            return _mlp()
        case _:
            raise ValueError(f"there is no model {model!r}")


def _sleep(rows: Rows) -> Rows:
    if CALLS:
        with Path(CALLS).open("a") as calls:
            calls.write(f"{len(rows)}\n")
    time.sleep(SLEEP_S)
    return rows


def _mlp() -> Callable[[Rows], Rows]:
    import torch  # noqa: PLC0415  # only this model pays for it
    from workload_mlp import network  # noqa: PLC0415

    torch.set_num_threads(1)
    module = network()

    def compute(rows: Rows) -> Rows:
        with torch.inference_mode():
            answer: Rows = module(torch.from_numpy(np.ascontiguousarray(rows, dtype=np.float32))).numpy()
            return answer

    compute(np.zeros((1, WIDTHS["mlp"]), np.float32))
    return compute
