"""What a model's ``infer`` takes and gives, read from its code and completed by the entry."""

from __future__ import annotations

import inspect
import typing
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias, get_args, get_origin

from jubako.backends.base import ModelSpec
from jubako.backends.python.annotations import Described, Parameters, Text, describe, describe_answer
from jubako.errors import ConfigurationError
from jubako.tensors import Signature, TensorSpec

Kind: TypeAlias = Literal["sync", "async", "generator", "async generator"]

_STREAMS: tuple[object, ...] = (Iterator, Iterable, Generator, AsyncIterator, AsyncGenerator)


@dataclass(frozen=True, kw_only=True)
class Interface:
    """How ``infer`` is called.

    Attributes:
        inputs: Its arguments, one a tensor.
        takes_any: Whether it has ``**inputs`` for all that the entry names besides.
        parameters: Which of its arguments gets the request's parameters; None if none does.
        outputs: What its return annotation says; empty where that is nothing.
    """

    kind: Kind
    inputs: list[Described]
    takes_any: bool
    parameters: str | None
    outputs: list[Described]

    @property
    def decoupled(self) -> bool:
        return self.kind in ("generator", "async generator")


def read_interface(infer: Callable[..., object]) -> Interface:
    """The interface of a bound method ``infer``.

    Raises:
        ConfigurationError: an argument is annotated with what is no tensor, or can't be given by name.
    """
    try:
        hints = typing.get_type_hints(infer, include_extras=True)
    except Exception as error:
        raise ConfigurationError(f"The annotations of infer can't be read: {error}.") from error
    inputs: list[Described] = []
    takes_any, parameters = False, None
    for name, argument in inspect.signature(infer).parameters.items():
        hint = hints.get(name, Any)
        if argument.kind is argument.VAR_KEYWORD:
            takes_any = True
        elif argument.kind in (argument.VAR_POSITIONAL, argument.POSITIONAL_ONLY):
            raise ConfigurationError(f"infer has the argument {name!r} without a name for its caller; inputs are given by name.")
        elif hint == Parameters:
            parameters = name
        else:
            described = describe(hint, name)
            inputs.append(replace(described, optional=described.optional or argument.default is not argument.empty))
    answer = hints.get("return", Any)
    kind = _kind(infer, answer)
    if kind in ("generator", "async generator"):
        answer = (get_args(answer) or (Any,))[0]
    return Interface(kind=kind, inputs=inputs, takes_any=takes_any, parameters=parameters, outputs=describe_answer(answer))


def _kind(infer: Callable[..., object], answer: object) -> Kind:
    origin = get_origin(answer) or answer
    if inspect.isasyncgenfunction(infer) or origin in (AsyncIterator, AsyncGenerator):
        return "async generator"
    if inspect.iscoroutinefunction(infer):
        return "async"
    if inspect.isgeneratorfunction(infer) or origin in _STREAMS:
        return "generator"
    return "sync"


# --- the signature --------------------------------------------------------------------------------------------------------


def complete_signature(interface: Interface, spec: ModelSpec, *, joined: bool) -> Signature:
    """The whole signature: what the entry says, and of what it does not, what the code does.

    Args:
        joined: Whether the arrays have a batch dimension; then a ``list[str]`` has one string for each row.

    Raises:
        ConfigurationError: the two disagree, or say too little together.
    """
    inputs = _complete("input", spec.inputs, interface.inputs, open_ended=interface.takes_any, joined=joined)
    outputs = _complete("output", spec.outputs, interface.outputs, open_ended=not interface.outputs, joined=joined)
    for kind, found in (("inputs", inputs), ("outputs", outputs)):
        if not found:
            raise ConfigurationError(
                f"The {kind} of the model are not known: name them under `{kind}` in model.yaml, or annotate infer."
            )
    if spec.decoupled and not interface.decoupled:
        raise ConfigurationError(
            "The entry says that the model is decoupled, but infer gives one answer: write it as a generator, which yields them."
        )
    return Signature(
        inputs=inputs,
        outputs=outputs,
        max_batch_size=spec.max_batch_size or 0,
        decoupled=interface.decoupled,
        platform="python",
    )


def _complete(
    kind: str, said: list[TensorSpec], described: list[Described], *, open_ended: bool, joined: bool
) -> list[TensorSpec]:
    by_name = {each.tensor: each for each in described}
    found = [_agreed(kind, each, by_name.pop(each.name, None), open_ended=open_ended, joined=joined) for each in said]
    return found + [_from_code(kind, each, joined=joined) for each in by_name.values()]


def _agreed(kind: str, said: TensorSpec, described: Described | None, *, open_ended: bool, joined: bool) -> TensorSpec:
    """`said`, if the code does not contradict it."""
    if described is None:
        if open_ended:
            return said
        what = "takes no argument of that name" if kind == "input" else "gives none of that name"
        raise ConfigurationError(f"The entry has the {kind} {said.name!r}, but infer {what}. Name the same tensors in both.")
    if described.datatype not in (None, said.datatype) and said.datatype != "BF16":
        raise ConfigurationError(
            f"The entry says that the {kind} {said.name!r} is {said.datatype}, but infer is annotated with {described.datatype}."
        )
    if described.text is not None and not _holds_text(said.shape, described.text, joined=joined):
        raise ConfigurationError(
            f"The entry says that the {kind} {said.name!r} has the shape {said.shape}, but infer is annotated with text, which "
            f"has the shape {_shape(described, joined=joined)}."
        )
    shape = described.shape
    if shape is not None and not said.ragged and not _narrows(said.shape, shape):
        raise ConfigurationError(
            f"The entry says that the {kind} {said.name!r} has the shape {said.shape}, but infer is annotated with {shape}."
        )
    if kind == "input" and said.optional and not described.optional:
        raise ConfigurationError(
            f"The entry says that the input {said.name!r} is optional: give the argument of infer a default."
        )
    return said


def _holds_text(shape: list[int], text: Text, *, joined: bool) -> bool:
    """Whether a tensor of this shape is one string (for each row), or for ``list[str]`` without rows any number of them."""
    return shape in ([], [1]) or (text == "list" and not joined and len(shape) == 1)


def _narrows(said: list[int], code: list[int]) -> bool:
    """Whether `said` is `code`, perhaps with lengths where the code takes any."""
    return len(said) == len(code) and all(theirs in (-1, ours) for ours, theirs in zip(said, code, strict=True))


def _from_code(kind: str, described: Described, *, joined: bool) -> TensorSpec:
    shape = _shape(described, joined=joined)
    if described.datatype is None or shape is None:
        lacks = "datatype" if described.datatype is None else "shape"
        raise ConfigurationError(
            f"The {lacks} of the {kind} {described.tensor!r} is not known. Annotate it in infer, as in "
            f"Annotated[NDArray[np.float32], Shape(-1, 3)], or name it under `{kind}s` in model.yaml."
        )
    return TensorSpec(
        name=described.tensor,
        datatype=described.datatype,
        shape=shape,
        optional=kind == "input" and described.optional,
        description=described.description,
    )


def _shape(described: Described, *, joined: bool) -> list[int] | None:
    if described.shape is not None or described.text is None:
        return described.shape
    return [1] if described.text == "one" or joined else [-1]
