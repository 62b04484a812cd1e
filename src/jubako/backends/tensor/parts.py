"""A request with more rows than a batch may have: computed in parts, answered as one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import cast

import numpy as np

from jubako.backends.base import Cancel, Done
from jubako.backends.tensor.intake import Member
from jubako.messages import InferResult
from jubako.tensors import Array, Datatype, dtype_of, from_array, to_array

Enqueue = Callable[[Member, Done], Cancel]


class Parts:
    """Splits `whole` into members of at most `max_rows` rows, and calls `done` once all are answered or one has failed.

    Raises:
        JubakoError: the queue does not take them all; those that it took are taken back.
    """

    def __init__(self, whole: Member, max_rows: int, done: Done, enqueue: Enqueue) -> None:
        starts = range(0, whole.rows, max_rows)
        self._done = done
        self._results: list[InferResult | None] = [None] * len(starts)
        self._missing = len(starts)
        self._ended = False
        self._cancels: list[Cancel] = []
        try:
            for index, start in enumerate(starts):
                part = _rows(whole, start, min(start + max_rows, whole.rows))
                self._cancels.append(enqueue(part, partial(self._take, index)))
        except Exception:
            self.cancel()
            raise

    def cancel(self) -> None:
        """Take all parts back."""
        self._ended = True
        for cancel in self._cancels:
            cancel()

    def _take(self, index: int, outcome: InferResult | Exception) -> None:
        if self._ended:
            return
        if isinstance(outcome, InferResult):
            self._results[index] = outcome
            self._missing -= 1
            if not self._missing:
                self._ended = True
                self._done(_joined([result for result in self._results if result is not None]))
        else:
            self.cancel()
            self._done(outcome)


def _rows(member: Member, start: int, stop: int) -> Member:
    share = (stop - start) / member.rows
    arrays = {name: array[start:stop] for name, array in member.arrays.items()}
    return replace(member, arrays=arrays, rows=stop - start, work=member.work * share)


def _joined(results: list[InferResult]) -> InferResult:
    outputs = []
    for pieces in zip(*(result.outputs for result in results), strict=True):
        datatype = cast(Datatype, pieces[0].datatype)
        arrays: list[Array] = [to_array(piece).astype(dtype_of(datatype), copy=False) for piece in pieces]
        outputs.append(from_array(pieces[0].name, np.concatenate(arrays), datatype))
    return InferResult(outputs=outputs)
