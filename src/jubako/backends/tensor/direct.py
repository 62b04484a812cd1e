"""Tensor models that answer request by request, without a batcher."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import ClassVar

from msgspec.structs import replace

from jubako.backends.admission import Admission, Place
from jubako.backends.base import Backend, CallContext, ModelSpec
from jubako.backends.tensor.intake import Intake, Member
from jubako.backends.tensor.tally import Tally, Times
from jubako.channel.frames import Load
from jubako.errors import InvalidRequest, Unsupported
from jubako.messages import InferRequest, InferResult, SchedulerStatistics, StatisticsResult
from jubako.tensors import Signature


class DirectBackend(Backend):
    """Checks, admits and counts requests; a subclass answers each with any number of results.

    A subclass calls :meth:`_open` while it loads.
    """

    default_capacity: ClassVar[int]
    """Requests at once, where the entry does not say."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        self._admission = Admission(spec.max_concurrency or self.default_capacity, spec.max_queue_size, spec.queue_timeout_s)
        self._tally = Tally()
        self._intake: Intake
        self._max_rows = 0
        self._progress = 0

    @abstractmethod
    def _results(self, request: InferRequest, member: Member, place: Place) -> AsyncGenerator[InferResult]:
        """Answer one request, which `member` is, checked. `place` is released when it is answered, or closed."""

    def _open(self, signature: Signature) -> None:
        """Take requests of this signature from now on."""
        self._intake = Intake(self.spec.model, signature, self.spec.batching, takes_parameters=True, cost=lambda _: 1.0)
        self._max_rows = signature.max_batch_size

    def current_load(self) -> Load:
        admission = self._admission
        return Load(admission.running, admission.queued, admission.capacity, self._progress)

    def statistics(self) -> StatisticsResult:
        return replace(self._tally.statistics(SchedulerStatistics()), scheduler=None)

    async def infer(self, request: InferRequest, call: CallContext) -> InferResult:
        """The one answer to a request.

        Raises:
            Unsupported: the model gave none, or several.
        """
        async with aclosing(self.infer_stream(request, call)) as results:
            found = [result async for result in results]
        if len(found) != 1:
            raise Unsupported(
                f"The model {request.model!r} gave {len(found)} answers to this request, and one is asked for. Ask for a stream.",
                param="model",
            )
        return found[0]

    async def infer_stream(self, request: InferRequest, call: CallContext) -> AsyncGenerator[InferResult]:
        arrival = time.perf_counter()
        try:
            member = self._take(request, arrival)
            place = await self._admission.enter(call)
        except Exception:
            self._tally.refused(time.perf_counter() - arrival)
            raise
        begun = time.perf_counter()
        try:
            async with aclosing(self._results(request, member, place)) as results:
                async for result in results:
                    self._progress += 1
                    yield result
        except Exception:
            self._tally.failed([member], time.perf_counter())
            raise
        ended = time.perf_counter()
        self._tally.executed([member], member.rows, Times(begun, begun, ended, ended))

    def _take(self, request: InferRequest, arrival: float) -> Member:
        member = self._intake.take(request, arrival)
        if 0 < self._max_rows < member.rows:
            raise InvalidRequest(
                f"The request has {member.rows} rows; the model {request.model!r} takes at most {self._max_rows}. Send several.",
                param="inputs",
            )
        return member
