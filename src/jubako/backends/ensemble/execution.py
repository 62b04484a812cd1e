"""One request on its way through an ensemble."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing

from msgspec.structs import replace

from jubako.backends.base import OtherModels
from jubako.backends.ensemble.graph import Step
from jubako.errors import InternalError, JubakoError
from jubako.messages import InferRequest, InferResult, RequestedOutput
from jubako.tensors import Tensor


class Execution:
    """The tensors that are there already, and the calls that make more of them.

    Tensors stay as they are: raw contents, never an array. Cancelling the task that runs the steps cancels the members' work.
    """

    def __init__(self, request: InferRequest, others: OtherModels) -> None:
        self.tensors = {tensor.name: tensor for tensor in request.inputs}
        self._request = request
        self._others = others

    def copy(self) -> Execution:
        """The same, to go on from here more than once."""
        copied = Execution(self._request, self._others)
        copied.tensors = dict(self.tensors)
        return copied

    async def run(self, steps: Iterable[Step]) -> None:
        """Make all `steps`, each as soon as those of its inputs are there that one of `steps` gives.

        Raises:
            JubakoError: what a member answers, with the step in its message.
        """
        waiting = {step: self._missing(step, steps) for step in steps}
        try:
            async with asyncio.TaskGroup() as group:
                for step in [step for step, missing in waiting.items() if not missing]:
                    group.create_task(self._run_from(step, waiting, group))
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None

    async def stream(self, step: Step) -> AsyncGenerator[None]:
        """Make a step that gives any number of answers; after each, its tensors are there."""
        request = self._call(step)
        try:
            async with aclosing(self._others.infer_stream(request)) as results:  # type: ignore[type-var]
                async for result in results:
                    self._take(step, result)
                    yield
        except JubakoError as error:
            raise _at(step, error) from error

    def result(self, outputs: Iterable[str]) -> InferResult:
        """The answer; an output that its model did not give is left out."""
        return InferResult(outputs=[self.tensors[name] for name in outputs if name in self.tensors])

    @staticmethod
    def _missing(step: Step, steps: Iterable[Step]) -> set[str]:
        given = {tensor for other in steps for tensor in other.outputs.values()}
        return given.intersection(step.inputs.values())

    async def _run_from(self, step: Step, waiting: dict[Step, set[str]], group: asyncio.TaskGroup) -> None:
        """Make `step`, then what it was the last to be waited for: the first of those here, each other in a task of its own."""
        while True:
            await self._run_one(step)
            ready: list[Step] = []
            for other, missing in waiting.items():
                if missing and not (missing := missing.difference(step.outputs.values())):
                    ready.append(other)
                waiting[other] = missing
            if not ready:
                return
            step, *others = ready
            for other in others:
                group.create_task(self._run_from(other, waiting, group))

    async def _run_one(self, step: Step) -> None:
        try:
            self._take(step, await self._others.infer(self._call(step)))
        except JubakoError as error:
            raise _at(step, error) from error

    def _call(self, step: Step) -> InferRequest:
        request = self._request
        return InferRequest(
            model=step.model,
            # An input without its tensor is optional: seen when the ensemble was loaded.
            inputs=[_named(self.tensors[tensor], name) for name, tensor in step.inputs.items() if tensor in self.tensors],
            outputs=[RequestedOutput(name) for name in step.outputs],
            parameters=request.parameters,
            priority=request.priority,
            timeout_us=request.timeout_us,
        )

    def _take(self, step: Step, result: InferResult) -> None:
        for output in result.outputs:
            if (tensor := step.outputs.get(output.name)) is not None:
                self.tensors[tensor] = _named(output, tensor)


def _named(tensor: Tensor, name: str) -> Tensor:
    return tensor if tensor.name == name else replace(tensor, name=name)


def _at(step: Step, error: JubakoError) -> JubakoError:
    """The same error, with the step in its message."""
    kind = type(error) if type(error) is not JubakoError else InternalError
    return kind(
        f"{str(step).capitalize()}: {error.message}", param=error.param, code=error.code, retry_after_s=error.retry_after_s
    )
