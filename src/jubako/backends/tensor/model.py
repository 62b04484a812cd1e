"""A tensor model over one engine: requests are checked, batched, computed in threads of their own, and counted."""

from __future__ import annotations

import asyncio
import logging
import time
from functools import partial
from pathlib import Path
from typing import ClassVar

from jubako.backends.base import Backend, Cancel, Done, ModelSpec
from jubako.backends.tensor.batch import Assembly
from jubako.backends.tensor.engine import TensorEngine
from jubako.backends.tensor.intake import Intake, Member
from jubako.backends.tensor.parts import Parts
from jubako.backends.tensor.tally import Tally, Times
from jubako.backends.tensor.warmup import warmup_inputs
from jubako.batching.batcher import Batcher
from jubako.batching.queued import Queued
from jubako.channel.frames import Load
from jubako.errors import ConfigurationError
from jubako.messages import InferRequest, InferResult, ModelInfo, StatisticsResult
from jubako.tensors import Signature

log = logging.getLogger(__name__)


class TensorBackend(Backend):
    """Answers tensor requests from one :class:`TensorEngine`: the one that is given, or one of the subclass's `engine_class`."""

    engine_class: ClassVar[type[TensorEngine]]

    def __init__(self, spec: ModelSpec, engine: TensorEngine | None = None) -> None:
        super().__init__(spec)
        self._engine = engine or self.engine_class(spec)
        self._tally = Tally()
        self._intake: Intake
        self._assembly: Assembly
        self._batcher: Batcher[Member, InferResult]
        self._max_rows = 0

    async def load(self) -> ModelInfo:
        signature = await asyncio.to_thread(self._load)
        spec = self.spec
        self._intake = Intake(
            spec.model,
            signature,
            spec.batching,
            takes_parameters=self._engine.takes_parameters,
            cost=self._engine.cost,
        )
        self._assembly = Assembly(spec.model, signature, frozenset(spec.batching.length_buckets))
        self._max_rows = signature.max_batch_size
        self._batcher = Batcher(
            spec.batching,
            max_rows=self._max_rows if spec.batching.enabled else 1,
            max_queue_size=spec.max_queue_size,
            queue_timeout_s=spec.queue_timeout_s,
            run=self._run,
            name=f"{spec.model}:{spec.version}",
            inline=not self._engine.asks_others,
        )
        return ModelInfo(signature=signature)

    def _load(self) -> Signature:
        signature = self._engine.load()
        entry = Path(self.spec.folder)
        for number, warmup in enumerate(self.spec.warmup, start=1):
            inputs = warmup_inputs(warmup, signature, entry)
            wanted = frozenset(output.name for output in signature.outputs)
            try:
                for _ in range(warmup.count):
                    self._engine.run(inputs, wanted, {})
            except Exception as error:
                raise ConfigurationError(f"The warm-up request {warmup.name or number!r} failed: {error}") from error
        return signature

    async def close(self) -> None:
        await self._batcher.close()
        await asyncio.to_thread(self._engine.close)

    def current_load(self) -> Load:
        batcher = self._batcher
        return Load(batcher.running, batcher.queued, batcher.capacity, batcher.progress)

    def statistics(self) -> StatisticsResult:
        return self._tally.statistics(self._batcher.statistics())

    def submit(self, request: InferRequest, done: Done) -> Cancel:
        arrival = time.perf_counter()
        try:
            member = self._intake.take(request, arrival)
            if self._max_rows and member.rows > self._max_rows:
                return Parts(member, self._max_rows, done, partial(self._enqueue, request)).cancel
            return self._enqueue(request, member, done)
        except Exception:
            self._tally.refused(time.perf_counter() - arrival)
            raise

    def _enqueue(self, request: InferRequest, member: Member, done: Done) -> Cancel:
        rows = member.rows if self.spec.batching.enabled else 1
        queued: Queued[Member, InferResult] = Queued(member, done, rows, member.work, member.key, member.length, request.priority)
        self._batcher.submit(queued, timeout_s=request.timeout_us / 1e6 if request.timeout_us else None)
        return partial(self._batcher.cancel, queued)

    def _run(self, members: list[Member]) -> list[InferResult | Exception]:
        """Compute one batch, in a thread of the batcher's choice."""
        try:
            return [*self._compute(members)]
        except Exception as error:
            if len(members) == 1:
                self._tally.failed(members, time.perf_counter())
                return [error]
            log.warning("a batch of %d requests to %s failed; each is computed again by itself", len(members), self.spec.model)
        # One of them may have been the reason: the others must not pay for it.
        return [outcome for member in members for outcome in self._run([member])]

    def _compute(self, members: list[Member]) -> list[InferResult]:
        assembly = self._assembly
        begun = time.perf_counter()
        rows = members[0].rows if len(members) == 1 else sum([member.rows for member in members])
        inputs = assembly.join(members)
        joined = time.perf_counter()
        outputs = self._engine.run(inputs, assembly.wanted(members), members[0].parameters)
        computed = time.perf_counter()
        results = assembly.split(outputs, members, rows)
        self._tally.executed(members, rows, Times(begun, joined, computed, time.perf_counter()))
        return results
