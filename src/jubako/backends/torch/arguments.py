"""Which tensor of a signature is which argument or result of a module.

Triton's convention (https://github.com/triton-inference-server/pytorch_backend#important-notes): names such as ``INPUT__0`` say
the position. Without it, names that are all arguments' names say the argument; else the order in model.yaml is the order of the
arguments.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from jubako.errors import ConfigurationError, InternalError
from jubako.tensors import TensorSpec

_POSITION = re.compile(r".+__(\d+)")


def position(name: str) -> int | None:
    """What ``NAME__3`` says."""
    found = _POSITION.fullmatch(name)
    return int(found[1]) if found else None


@dataclass(frozen=True)
class Arguments:
    """How a module is called: `positional` names in their order, or else all by `keywords`."""

    positional: tuple[str, ...]
    keywords: bool

    @classmethod
    def of(cls, inputs: Sequence[TensorSpec], known: Sequence[str]) -> Arguments:
        """
        Args:
            known: The names of the module's arguments; empty where they are not known.

        Raises:
            ConfigurationError: the positions have gaps, or there are more inputs than arguments.
        """
        names = [tensor.name for tensor in inputs]
        if known and len(names) > len(known):
            raise ConfigurationError(
                f"model.yaml names {len(names)} inputs ({', '.join(names)}), but the module takes only {len(known)} "
                f"({', '.join(known)})."
            )
        if set(names) <= set(known):
            return cls(tuple(names), keywords=True)
        return cls(tuple(in_order(inputs)), keywords=False)

    def call(self, module: torch.nn.Module, tensors: Mapping[str, torch.Tensor]) -> object:
        """What `module` makes of `tensors`; an input that is missing is None, or its argument's default."""
        if self.keywords:
            return module(**tensors)
        return module(*(tensors.get(name) for name in self.positional))


def in_order(tensors: Sequence[TensorSpec]) -> list[str]:
    """The names in the order of their positions.

    Raises:
        ConfigurationError: the positions are not 0, 1, 2 and so on.
    """
    found = positions(tensors)
    if sorted(found.values()) != list(range(len(found))):
        raise ConfigurationError(f"The numbers after `__` in {', '.join(found)} must count from 0 without gaps.")
    return sorted(found, key=lambda name: found[name])


def positions(tensors: Sequence[TensorSpec]) -> dict[str, int]:
    """Where each tensor stands: as the names say, if all do, else as they are listed."""
    said = {tensor.name: position(tensor.name) for tensor in tensors}
    if None in said.values():
        return {name: index for index, name in enumerate(said)}
    return {name: index for name, index in said.items() if index is not None}


def results(given: object, places: Mapping[str, int]) -> dict[str, torch.Tensor]:
    """What a module gave, by the names of the outputs: a dictionary by its keys, anything else by the `places`.

    Raises:
        InternalError: it is not what the signature says.
    """
    if isinstance(given, Mapping):
        if missing := [name for name in places if name not in given]:
            raise InternalError(
                f"The model gives {', '.join(map(repr, given))}, and not {', '.join(map(repr, missing))}, as model.yaml says."
            )
        found = {name: given[name] for name in places}
    else:
        values = given if isinstance(given, (tuple, list)) else (given,)
        if beyond := [name for name, place in places.items() if place >= len(values)]:
            raise InternalError(f"The model gives {len(values)} output(s), and not {', '.join(beyond)}, as model.yaml says.")
        found = {name: values[place] for name, place in places.items()}
    if other := next((name for name, value in found.items() if not isinstance(value, torch.Tensor)), None):
        raise InternalError(f"The model gives {other!r} as a {type(found[other]).__name__}, and not as a tensor.")
    return found
