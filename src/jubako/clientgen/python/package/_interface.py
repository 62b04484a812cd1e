"""What this package was made from: the tasks and tensors of each model, as `interface.json` has them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

__all__ = ["INTERFACES", "Interface", "Tensor"]


@dataclass(frozen=True)
class Tensor:
    """An input or output.

    Attributes:
        datatype: In the words of the Open Inference Protocol, such as FP32.
        shape: Without the batch dimension; -1 is any length.
        optional: A request may leave the input out.
        labels: The names of the classes along the last dimension of an output.
        content: ``image`` where an input, or each row of it, is a picture; else empty.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]
    optional: bool
    labels: tuple[str, ...]
    content: str


@dataclass(frozen=True)
class Interface:
    """What one model takes and gives.

    Attributes:
        digest: What the server says of a model that has this interface.
        batched: Each tensor has the batch as its first dimension, before those of its shape.
        decoupled: A request has any number of answers.
    """

    name: str
    digest: str
    tasks: tuple[str, ...]
    inputs: Mapping[str, Tensor]
    outputs: Mapping[str, Tensor]
    batched: bool
    decoupled: bool


def _interface(given: Mapping[str, Any]) -> Interface:
    signature = given.get("signature", {})
    return Interface(
        name=given["name"],
        digest=given["digest"],
        tasks=tuple(given["tasks"]),
        inputs={each["name"]: _tensor(each) for each in signature.get("inputs", ())},
        outputs={each["name"]: _tensor(each) for each in signature.get("outputs", ())},
        batched=signature.get("max_batch_size", 0) > 0,
        decoupled=signature.get("decoupled", False),
    )


def _tensor(given: Mapping[str, Any]) -> Tensor:
    return Tensor(
        name=given["name"],
        datatype=given["datatype"],
        shape=tuple(given["shape"]),
        optional=given.get("optional", False),
        labels=tuple(given.get("labels", ())),
        content=given.get("content", ""),
    )


def _read() -> dict[str, Interface]:
    content = json.loads(files(__name__.rpartition(".")[0]).joinpath("interface.json").read_text(encoding="utf-8"))
    return {model["name"]: _interface(model) for model in content["models"]}


INTERFACES: Final = _read()
"""By the names of the models."""
