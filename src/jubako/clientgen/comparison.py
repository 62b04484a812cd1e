"""What has changed between the models that a client was made from and those of today, and whether it breaks the client."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from msgspec import Struct

from jubako.routing.interface import ModelInterface
from jubako.tensors import Signature, TensorSpec

Verdict = Literal["unchanged", "compatible", "breaking", "unknown"]
"""What a change of a model means for a client. Unknown is that of a model whose tensors can't be known now."""


class Change(Struct, frozen=True):
    """One thing that is different. `what` is a sentence."""

    breaks: bool
    what: str


class Comparison(Struct, frozen=True, kw_only=True):
    """What became of one model."""

    model: str
    verdict: Verdict
    changes: list[Change] = []


def compare(made_from: Iterable[ModelInterface], now: Iterable[ModelInterface]) -> list[Comparison]:
    """What became of each model, by name, those included that only one side has."""
    old = {model.name: model for model in made_from}
    new = {model.name: model for model in now}
    return [_compare(name, old.get(name), new.get(name)) for name in sorted({*old, *new})]


def _compare(name: str, old: ModelInterface | None, new: ModelInterface | None) -> Comparison:
    if old is None:
        return _comparison(name, [Change(False, "The model is new.")])
    if new is None:
        return _comparison(name, [Change(True, "The model is gone.")])
    if not new.digest:
        return Comparison(model=name, verdict="unknown", changes=[Change(False, f"Its tensors can't be known: {new.unknown}")])
    changes = [*_changes_of_names(old, new), *_changes_of_tasks(old, new)]
    if old.signature and new.signature:
        changes += _changes_of_signature(old.signature, new.signature)
    return _comparison(name, changes)


def _comparison(name: str, changes: list[Change]) -> Comparison:
    verdict: Verdict = "breaking" if any(change.breaks for change in changes) else "compatible" if changes else "unchanged"
    return Comparison(model=name, verdict=verdict, changes=changes)


def _changes_of_names(old: ModelInterface, new: ModelInterface) -> Iterator[Change]:
    yield from _gone_and_new("The name {}", map(repr, old.served_names), map(repr, new.served_names))
    yield from _gone_and_new("Version {}", map(str, old.versions), map(str, new.versions))
    yield from _gone_and_new("The alias {}", map(repr, old.aliases), map(repr, new.aliases))
    for alias in sorted(old.aliases.keys() & new.aliases.keys()):
        if (before := old.aliases[alias]) != (after := new.aliases[alias]):
            yield Change(False, f"The alias {alias!r} means version {after}, not {before}.")


def _changes_of_tasks(old: ModelInterface, new: ModelInterface) -> Iterator[Change]:
    return _gone_and_new("The task {}", old.tasks, new.tasks)


def _gone_and_new(what: str, old: Iterable[str], new: Iterable[str]) -> Iterator[Change]:
    before, after = set(old), set(new)
    for each in sorted(before - after):
        yield Change(True, f"{what.format(each)} is gone.")
    for each in sorted(after - before):
        yield Change(False, f"{what.format(each)} is new.")


def _changes_of_signature(old: Signature, new: Signature) -> Iterator[Change]:
    if (old.max_batch_size > 0) != (new.max_batch_size > 0):
        yield Change(True, f"Its tensors have {'a' if new.max_batch_size else 'no'} batch dimension now.")
    if old.decoupled != new.decoupled:
        yield Change(True, "A request has any number of answers now." if new.decoupled else "A request has one answer now.")
    yield from _changes_of_inputs(old.inputs, new.inputs)
    yield from _changes_of_outputs(old.outputs, new.outputs)


def _changes_of_inputs(old: Sequence[TensorSpec], new: Sequence[TensorSpec]) -> Iterator[Change]:
    before, after = ({spec.name: spec for spec in specs} for specs in (old, new))
    for name in sorted({*before, *after}):
        if name not in after:
            yield Change(True, f"The input {name!r} is gone.")
        elif name not in before:
            optional = after[name].optional
            yield Change(not optional, f"The {'optional' if optional else 'required'} input {name!r} is new.")
        else:
            yield from _changes_of_type(f"The input {name!r}", before[name], after[name], takes=True)
            if before[name].optional != after[name].optional:
                yield Change(
                    before[name].optional, f"The input {name!r} is {'optional' if after[name].optional else 'required'} now."
                )


def _changes_of_outputs(old: Sequence[TensorSpec], new: Sequence[TensorSpec]) -> Iterator[Change]:
    before, after = ({spec.name: spec for spec in specs} for specs in (old, new))
    yield from _gone_and_new("The output {}", map(repr, before), map(repr, after))
    for name in sorted(before.keys() & after.keys()):
        yield from _changes_of_type(f"The output {name!r}", before[name], after[name], takes=False)
        if before[name].labels != after[name].labels:
            yield Change(bool(before[name].labels), f"The output {name!r} has other labels.")


def _changes_of_type(what: str, old: TensorSpec, new: TensorSpec, *, takes: bool) -> Iterator[Change]:
    """Of an input a wider shape takes all that the client sends; of an output a narrower one is all that the client expects."""
    if old.datatype != new.datatype:
        yield Change(True, f"{what} is {new.datatype}, not {old.datatype}.")
    if old.shape != new.shape:
        fits = _fits(old.shape, new.shape) if takes else _fits(new.shape, old.shape)
        yield Change(not fits, f"{what} has the shape {new.shape}, not {old.shape}.")


def _fits(narrow: list[int], wide: list[int]) -> bool:
    return len(narrow) == len(wide) and all(width in (-1, size) for size, width in zip(narrow, wide, strict=True))
