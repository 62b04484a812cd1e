"""An ensemble: a graph of other models of the repository."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec
from msgspec.structs import replace

from jubako.backends.admission import Place
from jubako.backends.base import ModelSpec
from jubako.backends.ensemble.agreement import complete_signature
from jubako.backends.ensemble.execution import Execution
from jubako.backends.ensemble.graph import Graph, Step
from jubako.backends.ensemble.params import EnsembleParams
from jubako.backends.tensor.direct import DirectBackend
from jubako.backends.tensor.intake import Member
from jubako.channel.frames import Load
from jubako.errors import ConfigurationError, ModelFailed, ModelNotFound, ModelNotReady
from jubako.messages import InferRequest, InferResult, ModelInfo
from jubako.model_names import without_version
from jubako.tensors import Signature


class EnsembleBackend(DirectBackend):
    """Passes tensors from member to member: instance to instance, never back through the gateway."""

    default_capacity = 1024  # the members have queues of their own

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        self._graph: Graph
        self._streaming: Step | None = None
        self._after: frozenset[Step] = frozenset()

    async def load(self) -> ModelInfo:
        params = msgspec.convert(self.spec.params, EnsembleParams)
        graph = Graph(params.steps, [each.name for each in self.spec.inputs], [each.name for each in self.spec.outputs])
        members = await self._signatures(graph)
        signature = complete_signature(graph, members, self.spec)
        self._graph = graph
        self._streaming = next((step for step, member in members.items() if member.decoupled), None)
        if self._streaming is not None:
            self._after = graph.after(self._streaming)
        self._open(signature)
        return ModelInfo(signature=signature)

    def current_load(self) -> Load:
        # What takes long is a member's work, and whether that goes on is seen there. Here the loop runs, or nobody reads this.
        return replace(super().current_load(), progress=time.monotonic_ns() // 1_000_000)

    async def _results(self, request: InferRequest, member: Member, place: Place) -> AsyncGenerator[InferResult]:
        wanted = [output.name for output in request.outputs] or self._graph.outputs
        needed = self._graph.needed_for(wanted)
        execution = Execution(request, self.others)
        streaming = self._streaming
        with place:
            if streaming is None or streaming not in needed:
                await execution.run(needed)
                yield execution.result(wanted)
                return
            await execution.run(needed - self._after - {streaming})
            async with aclosing(execution.stream(streaming)) as answers:
                async for _ in answers:
                    branch = execution.copy()
                    await branch.run(needed & self._after)
                    yield branch.result(wanted)

    async def _signatures(self, graph: Graph) -> dict[Step, Signature]:
        """What the members take and give; waits until they are ready."""
        found = await asyncio.gather(*(self._signature_of(step) for step in graph.steps))
        return dict(zip(graph.steps, found, strict=True))

    async def _signature_of(self, step: Step) -> Signature:
        if without_version(step.model) == self.spec.model:
            raise ConfigurationError(f"The ensemble would ask itself in {step}.")
        try:
            return await self.others.signature(step.model)
        except ModelNotFound as error:
            raise ConfigurationError(f"The model of {step} is not there: {error.message}") from error
        except (ModelFailed, ModelNotReady) as error:
            # Not worth another try: it has been given up, or unloaded.
            raise ConfigurationError(f"The model of {step} can't be asked: {error.message}") from error
