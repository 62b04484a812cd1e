"""The steps of an ensemble as a graph: which needs what, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from jubako.backends.ensemble.params import EnsembleStep
from jubako.errors import ConfigurationError
from jubako.repository.problem import nearest


@dataclass(frozen=True, eq=False)
class Step:
    """One call.

    Attributes:
        number: Its place in the entry, from 1.
        inputs: Input of the model to tensor of the ensemble.
        outputs: Output of the model to tensor of the ensemble.
    """

    number: int
    model: str
    inputs: dict[str, str]
    outputs: dict[str, str]

    def __str__(self) -> str:
        return f"step {self.number} ({self.model})"


class Graph:
    """The steps in an order in which each comes after those it needs.

    Args:
        steps: As the entry says.
        inputs: The names of the ensemble's inputs; none to take every tensor that no step gives.
        outputs: The names of its outputs; none to give every tensor that no step takes.

    Raises:
        ConfigurationError: a tensor comes from nowhere or from two steps, or the steps need each other in a circle.
    """

    def __init__(self, steps: Sequence[EnsembleStep], inputs: Sequence[str], outputs: Sequence[str]) -> None:
        self._steps = [Step(number, step.model, step.inputs, step.outputs) for number, step in enumerate(steps, 1)]
        self.producers = self._find_producers(inputs)
        taken = {tensor: None for step in self._steps for tensor in step.inputs.values()}
        self.inputs = list(inputs) or [tensor for tensor in taken if tensor not in self.producers]
        self.outputs = list(outputs) or [tensor for tensor in self.producers if tensor not in taken]
        self._check_sources()
        self.steps = self._in_order()
        if not self.inputs or not self.outputs:
            raise ConfigurationError("The ensemble has no inputs or no outputs: name them under `inputs` and `outputs`.")

    def takers(self, tensor: str) -> list[tuple[Step, str]]:
        """The steps that take `tensor`, each with the name of its input."""
        return [(step, name) for step in self.steps for name, taken in step.inputs.items() if taken == tensor]

    def needed_for(self, outputs: Iterable[str]) -> frozenset[Step]:
        """The steps without which `outputs` can't be had."""
        return frozenset().union(*(self._needed[tensor] for tensor in outputs if tensor in self._needed))

    def after(self, step: Step) -> frozenset[Step]:
        """The steps that need what `step` gives, at once or through others."""
        return frozenset(
            other
            for other in self.steps
            if other is not step and any(step in self._needed[each] for each in other.outputs.values())
        )

    @cached_property
    def _needed(self) -> dict[str, frozenset[Step]]:
        """For each tensor that a step gives, that step and all it needs."""
        needed: dict[str, frozenset[Step]] = {}
        for step in self.steps:
            before = (needed[tensor] for tensor in step.inputs.values() if tensor in needed)
            own = frozenset({step}).union(*before)
            needed.update(dict.fromkeys(step.outputs.values(), own))
        return needed

    def _find_producers(self, inputs: Sequence[str]) -> dict[str, tuple[Step, str]]:
        producers: dict[str, tuple[Step, str]] = {}
        for step in self._steps:
            for name, tensor in step.outputs.items():
                if tensor in inputs:
                    raise ConfigurationError(
                        f"The tensor {tensor!r} is an input of the ensemble and an output of {step}: give one another name."
                    )
                if tensor in producers:
                    raise ConfigurationError(
                        f"The tensor {tensor!r} is given by {producers[tensor][0]} and by {step}: give one of them another name."
                    )
                producers[tensor] = (step, name)
        return producers

    def _check_sources(self) -> None:
        known = [*self.inputs, *self.producers]
        for step in self._steps:
            for name, tensor in step.inputs.items():
                if tensor not in known:
                    raise ConfigurationError(
                        f"The input {name!r} of {step} takes the tensor {tensor!r}, which is no input of the ensemble and "
                        f"comes from no step. {nearest(tensor, known)}".rstrip()
                    )
        for tensor in self.outputs:
            if tensor not in self.producers:
                raise ConfigurationError(
                    f"The output {tensor!r} of the ensemble comes from no step. {nearest(tensor, list(self.producers))}".rstrip()
                )
        taken = {tensor for step in self._steps for tensor in step.inputs.values()}
        for tensor in self.inputs:
            if tensor not in taken:
                raise ConfigurationError(
                    f"The input {tensor!r} of the ensemble is taken by no step. Remove it, or name a step's input."
                )

    def _in_order(self) -> list[Step]:
        there = set(self.inputs)
        ordered: list[Step] = []
        waiting = list(self._steps)
        while waiting:
            ready = [step for step in waiting if there.issuperset(step.inputs.values())]
            if not ready:
                circle = ", ".join(str(step) for step in waiting)
                raise ConfigurationError(f"These steps need each other's outputs, so that none can be the first: {circle}.")
            ordered += ready
            for step in ready:
                there.update(step.outputs.values())
            waiting = [step for step in waiting if step not in ready]
        return ordered
