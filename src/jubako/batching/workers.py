"""The threads that compute batches."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Generic, TypeVar

from jubako.batching.batch import Batch

P = TypeVar("P")
R = TypeVar("R")


class Workers(Generic[P, R]):
    """Daemon threads, started when they are first needed, so that a batch that never ends doesn't keep the process alive.

    Args:
        execute: Computes a batch, and sees to what becomes of it; must not raise.
    """

    def __init__(self, count: int, execute: Callable[[Batch[P, R]], None], name: str) -> None:
        self._count = count
        self._execute = execute
        self._name = name
        self._threads: list[threading.Thread] = []
        self._handed: SimpleQueue[Batch[P, R] | None] = SimpleQueue()

    def hand(self, batch: Batch[P, R]) -> None:
        """Let the first thread that is free compute the batch."""
        if len(self._threads) < self._count:
            self._start()
        self._handed.put(batch)

    def close(self) -> None:
        """Threads end when they have done what was handed to them."""
        for _ in self._threads:
            self._handed.put(None)

    def _start(self) -> None:
        name = f"{self._name} batch {len(self._threads) + 1}"
        thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _work(self) -> None:
        while (batch := self._handed.get()) is not None:
            self._execute(batch)
            del batch
