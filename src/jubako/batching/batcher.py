"""Puts requests into batches and runs these: the scheduler, with an event loop's clock and threads."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from math import inf
from time import perf_counter
from typing import Generic, TypeVar

from jubako.batching.batch import Batch
from jubako.batching.order import InOrder
from jubako.batching.queued import Queued
from jubako.batching.scheduler import Scheduler
from jubako.batching.workers import Workers
from jubako.errors import DeadlineExceeded, InternalError, ModelNotReady
from jubako.messages import SchedulerStatistics
from jubako.repository.config import BatchingConfig

log = logging.getLogger(__name__)

P = TypeVar("P")
R = TypeVar("R")

INLINE_S = 200e-6
"""A batch that can be computed in less than this is run in the event loop's thread: handing it to another would take about as
long."""

NOT_INLINE_S = 1e-3
"""After two in a row that took longer there, batches go to a thread again: one alone may have been the system's fault."""

NEVER_INLINE_S = 20e-3
"""After a single one that took longer there, they do as well."""

TURN_S = 500e-6
"""How long batches may hold one turn of the loop, but for the last one. What a turn answers leaves in one write."""

PROBATION = 64
"""Batches in a thread before the event loop's thread is tried again; also at the start."""

TIMER_S = 1e-3
"""The shortest timer: an event loop may count whole milliseconds, and call too early what is due in less."""

CLOSING_S = 5.0
"""How long :meth:`Batcher.close` waits for running batches."""


class Batcher(Generic[P, R]):
    """Answers requests in batches. Belongs to the event loop in which it was made; every method is called in that loop's thread.

    The clock is :func:`time.perf_counter`, because an event loop's own may count whole milliseconds only.

    Args:
        config: Bounds on what it may choose.
        max_rows: Most rows in a batch; with 0 and 1 each request is a batch of its own.
        max_queue_size: Most requests that wait, where `config` doesn't say.
        queue_timeout_s: Longest wait, where `config` doesn't say; None for any.
        run: Computes a batch, blocking: one answer or error for each payload, in their order. What it raises goes to all. Called
            in threads of the batcher, by up to ``config.max_in_flight`` at once; if it takes next to no time, also in the loop's.
        name: The model's, for errors and the log.
        inline: Whether `run` may be called in the loop's thread; it may not if it could wait for what that thread has to do.
    """

    def __init__(
        self,
        config: BatchingConfig,
        *,
        max_rows: int,
        max_queue_size: int,
        queue_timeout_s: float | None,
        run: Callable[[list[P]], list[R | Exception]],
        name: str,
        inline: bool = True,
    ) -> None:
        self._inline = inline
        self._scheduler: Scheduler[P, R] = Scheduler(
            config, max_rows=max_rows, max_queue_size=max_queue_size, queue_timeout_s=queue_timeout_s, name=name
        )
        self._run = run
        self._name = name
        self._loop = asyncio.get_running_loop()
        self._workers: Workers[P, R] = Workers(config.max_in_flight, self._execute, name)
        self._order = InOrder(self._give) if config.preserve_order else None
        self._turn_comes = False
        self._hold_timer: asyncio.TimerHandle | None = None
        self._hold_until = inf
        self._expiry_timer: asyncio.TimerHandle | None = None
        self._expiry_at = inf
        self._thread_left = PROBATION
        self._slow_in_a_row = 0
        self._single = max_rows <= 1 and inline and self._order is None and not config.priority_levels
        self._single_is_quick = False
        self._single_spent = 0.0
        self._single_answers: list[tuple[Queued[P, R], R | Exception]] = []
        self._idle: asyncio.Event | None = None
        self._closed = False
        self.capacity = max(1, max_rows) * config.max_in_flight
        """Requests that can be computed at once."""
        self.running = 0
        """Requests that are being computed."""

    @property
    def queued(self) -> int:
        """Requests that wait."""
        return self._scheduler.waiting

    @property
    def progress(self) -> int:
        """Grows with each batch that ends."""
        return self._scheduler.finished_batches

    def statistics(self) -> SchedulerStatistics:
        return self._scheduler.statistics()

    def submit(self, queued: Queued[P, R], *, timeout_s: float | None = None) -> None:
        """Take a request; `done` gets its answer, never before this method has returned.

        Args:
            timeout_s: The longest wait that the caller asks for, seconds; it counts where it is shorter than the model's own.

        Raises:
            InvalidRequest: there is no such priority.
            Overloaded: the queue is full.
            DeadlineExceeded: the wait would surely be too long.
            ModelNotReady: the batcher was closed.
        """
        if self._closed:
            raise self._closing()
        scheduler = self._scheduler
        if self._single_is_quick and scheduler.idle and self._single_spent < TURN_S:
            self._compute_single(queued)
            return
        scheduler.add(queued, perf_counter(), timeout_s)
        if self._order is not None:
            self._order.arrived(queued)
        if not self._turn_comes:
            self._turn_comes = True
            self._loop.call_soon(self._turn)
        if scheduler.earliest_deadline < self._expiry_at:
            self._expect_expiry()

    def cancel(self, queued: Queued[P, R]) -> None:
        """Nobody waits for the request any more: `done` isn't called, and it isn't computed unless that has begun. Harmless at
        any time."""
        if queued.state in {"cancelled", "done"}:
            return
        self._scheduler.cancel(queued)
        if self._order is not None:
            queued.state = "cancelled"
            self._order.left(queued)

    async def close(self) -> None:
        """Refuse what comes and what waits, and wait a few seconds for what is being computed."""
        if self._closed:
            return
        self._closed = True
        for timer in (self._hold_timer, self._expiry_timer):
            if timer is not None:
                timer.cancel()
        for queued in self._scheduler.clear():
            self._answer(queued, self._closing())
        if self._scheduler.in_flight:
            self._idle = asyncio.Event()
            try:
                await asyncio.wait_for(self._idle.wait(), CLOSING_S)
            except TimeoutError:
                log.warning("a batch of %s did not end within %g seconds; its thread is left behind", self._name, CLOSING_S)
        self._workers.close()

    def _turn(self) -> None:
        """What came in this turn of the loop is here: start what can be started."""
        self._turn_comes = False
        spent = 0.0
        while spent < TURN_S:
            taken = self._start()
            if taken is None:
                return
            spent += taken
        self._come_again()

    def _come_again(self) -> None:
        if not self._turn_comes and self._scheduler.waiting:
            self._turn_comes = True
            self._loop.call_soon(self._turn)

    def _start(self) -> float | None:
        """Start batches until there is none to start (None), or one was run here, which took so many seconds."""
        scheduler = self._scheduler
        while not self._closed:
            now = perf_counter()
            if scheduler.earliest_deadline <= now:
                self._expire()
            batch = scheduler.next(now)
            if batch is None:
                return None
            if isinstance(batch, float):
                self._hold(batch)
                return None
            self.running += len(batch.members)
            if self._inline and not self._thread_left and scheduler.in_flight == 1 and scheduler.quickest(batch) < INLINE_S:
                return self._run_here(batch)
            if self._thread_left:
                self._thread_left -= 1
            self._workers.hand(batch)
        return None

    def _run_here(self, batch: Batch[P, R]) -> float:
        batch.inline = True
        answers = self._compute(batch)
        taken = perf_counter() - batch.started
        self._judge_inline(taken)
        self._count(batch)
        self._distribute(batch, answers)
        return taken

    def _judge_inline(self, taken: float) -> None:
        """After a run in the loop's thread that took so many seconds: is this the place for the next one?"""
        if taken <= NOT_INLINE_S:
            self._slow_in_a_row = 0
            self._single_is_quick = self._single
            return
        self._slow_in_a_row += 1
        if self._slow_in_a_row > 1 or taken > NEVER_INLINE_S:
            self._slow_in_a_row = 0
            self._single_is_quick = False
            self._thread_left = PROBATION

    def _compute_single(self, queued: Queued[P, R]) -> None:
        """Compute a request that need not share, wait or go to a thread; its answer is given at the end of the turn."""
        queued.arrival = started = perf_counter()
        queued.state = "running"
        try:
            (answer,) = self._run([queued.payload])
        except Exception as error:
            answer = error
        taken = perf_counter() - started
        self._judge_inline(taken)
        self._scheduler.finished_single(taken)
        if not self._single_answers:
            self._loop.call_soon(self._give_single_answers)
        self._single_answers.append((queued, answer))
        self._single_spent += taken

    def _give_single_answers(self) -> None:
        answers, self._single_answers = self._single_answers, []
        self._single_spent = 0.0
        for queued, answer in answers:
            if queued.state == "running":
                self._give(queued, answer)

    def _execute(self, batch: Batch[P, R]) -> None:
        """Runs in a worker's thread."""
        answers = self._compute(batch)
        try:
            self._loop.call_soon_threadsafe(self._finished, batch, answers)
        except RuntimeError:
            log.debug("a batch of %s ended after its event loop", self._name)

    def _compute(self, batch: Batch[P, R]) -> Sequence[R | Exception]:
        members = batch.members
        batch.started = started = perf_counter()
        try:
            answers = self._run([queued.payload for queued in members])
            batch.seconds = perf_counter() - started
        except Exception as error:
            return [error] * len(members)
        except BaseException as error:
            log.exception("a batch of %s ended in an exception that is no Exception", self._name)
            return [InternalError(f"The model {self._name!r} ended in {type(error).__name__}.")] * len(members)
        if len(answers) == len(members):
            return answers
        log.error("a batch of %s had %d requests, but got %d answers", self._name, len(members), len(answers))
        return [InternalError(f"The model {self._name!r} did not answer each of its requests.")] * len(members)

    def _finished(self, batch: Batch[P, R], answers: Sequence[R | Exception]) -> None:
        """A worker has computed a batch. The next one goes first, so that no time is lost between them."""
        self._count(batch)
        if self._start() is not None:
            self._come_again()
        self._distribute(batch, answers)
        if self._idle is not None and not self._scheduler.in_flight:
            self._idle.set()

    def _count(self, batch: Batch[P, R]) -> None:
        self.running -= batch.requests
        self._scheduler.finished(batch, perf_counter(), batch.seconds)
        if log.isEnabledFor(logging.DEBUG):
            log.debug("%s ran %s predicted %.6f s, took %s s", self._name, batch.explain(), batch.predicted, batch.seconds)

    def _distribute(self, batch: Batch[P, R], answers: Sequence[R | Exception]) -> None:
        # The batch may be remembered for its reasons; its requests' contents must not be.
        members, batch.members = batch.members, []
        for queued, answer in zip(members, answers, strict=True):
            if queued.state == "running":
                if self._order is not None:
                    self._order.answered(queued, answer)
                    continue
                queued.state = "done"
                try:
                    queued.done(answer)
                except Exception:
                    log.exception("an answer of %s could not be given to its caller", self._name)

    def _answer(self, queued: Queued[P, R], answer: R | Exception) -> None:
        """Give an answer now, or when those before it have theirs; unless the answer of another made the caller leave."""
        if queued.state == "cancelled":
            return
        if self._order is not None:
            self._order.answered(queued, answer)
        else:
            self._give(queued, answer)

    def _give(self, queued: Queued[P, R], answer: R | Exception) -> None:
        queued.state = "done"
        try:
            queued.done(answer)
        except Exception:
            log.exception("an answer of %s could not be given to its caller", self._name)

    def _hold(self, until: float) -> None:
        if self._hold_timer is not None:
            if self._hold_until == until:
                return
            self._hold_timer.cancel()
        self._hold_until = until
        self._hold_timer = self._loop.call_later(max(TIMER_S, until - perf_counter()), self._hold_ends)

    def _hold_ends(self) -> None:
        """Decide two steps later: if the loop was busy, those who are expected may be there already, in sockets not yet read."""
        self._hold_timer = None
        self._loop.call_soon(self._loop.call_soon, self._turn)

    def _expect_expiry(self) -> None:
        if self._expiry_timer is not None:
            self._expiry_timer.cancel()
        self._expiry_at = self._scheduler.earliest_deadline
        self._expiry_timer = self._loop.call_later(max(TIMER_S, self._expiry_at - perf_counter()), self._expiry_comes)

    def _expiry_comes(self) -> None:
        self._expiry_timer, self._expiry_at = None, inf
        self._expire()
        if self._scheduler.earliest_deadline < inf:
            now = perf_counter()
            self._expiry_at = max(self._scheduler.earliest_deadline, now + TIMER_S)
            self._expiry_timer = self._loop.call_later(self._expiry_at - now, self._expiry_comes)

    def _expire(self) -> None:
        now = perf_counter()
        for queued in self._scheduler.expired(now):
            waited = f"waited {(now - queued.arrival) * 1e3:.1f} ms in the queue of the model {self._name!r}"
            self._answer(queued, DeadlineExceeded(f"The request {waited}, longer than {queued.limit}; try again later."))

    def _closing(self) -> ModelNotReady:
        return ModelNotReady(f"The model {self._name!r} is being unloaded. Try again later.", retry_after_s=1.0)
