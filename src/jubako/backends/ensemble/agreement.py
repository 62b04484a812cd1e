"""Whether the members of an ensemble fit together, and what that makes of its signature."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jubako.backends.base import ModelSpec
from jubako.backends.ensemble.graph import Graph, Step
from jubako.errors import ConfigurationError
from jubako.repository.problem import nearest
from jubako.tensors import Datatype, Signature, TensorSpec, holds_images


@dataclass(frozen=True)
class _End:
    """One end of a tensor's way: who says what of it. `shape` has the batch dimension, where there is one."""

    who: str
    datatype: Datatype
    shape: list[int]
    spec: TensorSpec

    def agrees(self, other: _End) -> bool:
        return (
            self.datatype == other.datatype
            and len(self.shape) == len(other.shape)
            and all(-1 in (one, two) or one == two for one, two in zip(self.shape, other.shape, strict=True))
        )

    def __str__(self) -> str:
        return f"{self.who} says {self.datatype} {self.shape}"


def complete_signature(graph: Graph, members: Mapping[Step, Signature], spec: ModelSpec) -> Signature:
    """The ensemble's signature: what the entry says, else what the members say.

    Raises:
        ConfigurationError: a member has no such tensor or lacks one, two ends of a tensor disagree, or a batch of the ensemble is
            larger than a member takes.
    """
    for step in graph.steps:
        _check_names(step, members[step])
    max_batch_size = _max_batch_size(members, spec)
    said = {each.name: each for each in (*spec.inputs, *spec.outputs)}
    optional = {tensor: _is_optional(graph, tensor, members) for tensor in graph.inputs}
    for tensor in (*graph.inputs, *graph.producers):
        own = [_own(said[tensor], max_batch_size)] if tensor in said else []
        _check_ends(tensor, own + _ends(graph, tensor, members))
    for each in spec.inputs:
        if each.optional and not optional[each.name]:
            raise ConfigurationError(f"The input {each.name!r} is said to be optional, but a step's model can't do without it.")
    decoupled = [step for step in graph.steps if members[step].decoupled]
    if len(decoupled) > 1:
        raise ConfigurationError(
            f"Only one step of an ensemble may give any number of answers; {decoupled[0]} and {decoupled[1]} do."
        )
    return Signature(
        inputs=[
            said.get(name) or _from_members(name, _ends(graph, name, members)[0], max_batch_size, optional=optional[name])
            for name in graph.inputs
        ],
        outputs=[said.get(name) or _from_members(name, _ends(graph, name, members)[0], max_batch_size) for name in graph.outputs],
        max_batch_size=max_batch_size,
        decoupled=bool(decoupled),
        platform="ensemble",
    )


def _check_names(step: Step, signature: Signature) -> None:
    for kind, used, specs in (("input", step.inputs, signature.inputs), ("output", step.outputs, signature.outputs)):
        names = [each.name for each in specs]
        for name in used:
            if name not in names:
                raise ConfigurationError(f"The model of {step} has no {kind} {name!r}. {nearest(name, names)}".rstrip())
    for each in signature.inputs:
        if not each.optional and each.name not in step.inputs:
            raise ConfigurationError(f"The model of {step} needs the input {each.name!r}: name the tensor that it takes.")


def _max_batch_size(members: Mapping[Step, Signature], spec: ModelSpec) -> int:
    sizes = {step: signature.max_batch_size for step, signature in members.items()}
    if spec.max_batch_size is None:
        return min(sizes.values())
    for step, size in sizes.items():
        if 0 < size < spec.max_batch_size:
            raise ConfigurationError(
                f"The ensemble takes {spec.max_batch_size} rows (`max_batch_size`), but the model of {step} takes {size}."
            )
    return spec.max_batch_size


def _is_optional(graph: Graph, tensor: str, members: Mapping[Step, Signature]) -> bool:
    return all(_named(members[step].inputs, name).optional for step, name in graph.takers(tensor))


def _ends(graph: Graph, tensor: str, members: Mapping[Step, Signature]) -> list[_End]:
    """What the members say of `tensor`: the one that gives it first."""
    ends: list[_End] = []
    if tensor in graph.producers:
        step, name = graph.producers[tensor]
        ends.append(_end(step, _named(members[step].outputs, name), members[step]))
    return ends + [_end(step, _named(members[step].inputs, name), members[step]) for step, name in graph.takers(tensor)]


def _end(step: Step, spec: TensorSpec, signature: Signature) -> _End:
    return _End(f"{spec.name!r} of {step}", spec.datatype, _whole(spec.shape, signature.max_batch_size), spec)


def _own(spec: TensorSpec, max_batch_size: int) -> _End:
    return _End("the entry", spec.datatype, _whole(spec.shape, max_batch_size), spec)


def _check_ends(tensor: str, ends: list[_End]) -> None:
    first, *others = ends
    for other in others:
        if not first.agrees(other):
            raise ConfigurationError(f"The ends of the tensor {tensor!r} disagree: {first}, {other} (batch dimension included).")


def _from_members(name: str, end: _End, max_batch_size: int, *, optional: bool = False) -> TensorSpec:
    shape = end.shape[1:] if max_batch_size else end.shape
    return TensorSpec(
        name=name,
        datatype=end.datatype,
        shape=shape,
        optional=optional,
        labels=end.spec.labels,
        # Of a member with batches in an ensemble without them, the rows are pictures, and the whole tensor is none.
        content=end.spec.content if holds_images(end.datatype, shape) else None,
        description=end.spec.description,
    )


def _whole(shape: list[int], max_batch_size: int) -> list[int]:
    return [-1, *shape] if max_batch_size else shape


def _named(specs: list[TensorSpec], name: str) -> TensorSpec:
    return next(spec for spec in specs if spec.name == name)
