"""A tensor model's signature: what its entry says, completed with and checked against what its file says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from msgspec.structs import replace

from jubako.backends.base import ModelSpec
from jubako.errors import ConfigurationError
from jubako.repository.problem import nearest
from jubako.tensors import Signature, TensorSpec

DEFAULT_MAX_BATCH_SIZE = 32
"""Most rows of a batch where the entry says nothing and the first dimension of every tensor is free."""

Kind = Literal["input", "output"]


@dataclass(frozen=True, kw_only=True)
class FileSignature:
    """What a model's file says. Shapes are whole: the batch dimension, where there is one, is their first, as -1.

    Attributes:
        inputs: All that the model takes; those it can do without are `optional`.
        outputs: All that it gives.
        platform: As `Signature.platform`.
        shapeless: Tensors whose shape the file leaves out; what the entry says of them is taken as it is.
        largest_batch: Most rows that the file allows; None is any number.
    """

    inputs: list[TensorSpec]
    outputs: list[TensorSpec]
    platform: str
    shapeless: frozenset[str] = frozenset()
    largest_batch: int | None = None


def complete(spec: ModelSpec, file: FileSignature) -> Signature:
    """The signature of the version.

    Inputs that the entry leaves out are taken from the file. Of outputs, those that the entry names are served; all, if it
    names none. A dimension that the file leaves free may be fixed by the entry.

    Raises:
        ConfigurationError: the entry contradicts the file.
    """
    max_batch_size = _max_batch_size(spec, file)
    batched = max_batch_size > 0
    inputs = [_checked(entry, file, "input", batched) for entry in spec.inputs]
    named = {entry.name for entry in spec.inputs}
    inputs += [_without_batch(found, batched) for found in file.inputs if found.name not in named and not found.optional]
    outputs = [_checked(entry, file, "output", batched) for entry in spec.outputs]
    return Signature(
        inputs=inputs,
        outputs=outputs or [_without_batch(found, batched) for found in file.outputs],
        max_batch_size=max_batch_size,
        decoupled=spec.decoupled,
        platform=file.platform,
    )


def declared(spec: ModelSpec, platform: str, why: str) -> Signature:
    """The signature of a model whose file says none: the entry's alone.

    Args:
        why: A sentence that says what the file leaves open.

    Raises:
        ConfigurationError: the entry does not say it either.
    """
    if not spec.inputs or not spec.outputs:
        raise ConfigurationError(
            f"{why} Write `inputs` and `outputs` in model.yaml, each tensor as "
            "`{name: INPUT__0, datatype: FP32, shape: [-1, 4]}`, and `max_batch_size` if the first dimension is the batch."
        )
    return Signature(
        inputs=spec.inputs,
        outputs=spec.outputs,
        max_batch_size=spec.max_batch_size or 0,
        decoupled=spec.decoupled,
        platform=platform,
    )


def shown(tensors: Sequence[TensorSpec]) -> str:
    """Tensors for people, such as ``x FP32 [-1, 4], mask BOOL [-1]``."""
    return ", ".join(f"{tensor.name} {tensor.datatype} {tensor.shape}" for tensor in tensors) or "none"


# --- the batch dimension --------------------------------------------------------------------------------------------------


def _max_batch_size(spec: ModelSpec, file: FileSignature) -> int:
    if spec.max_batch_size:
        _check_batch_dimension(spec, file)
        return spec.max_batch_size
    if spec.max_batch_size == 0:
        return 0
    free = all(_first_is_free(tensor) for tensor in (*file.inputs, *file.outputs))
    if not free or _says_whole_shapes(spec, file):
        return 0
    return min(DEFAULT_MAX_BATCH_SIZE, file.largest_batch or DEFAULT_MAX_BATCH_SIZE)


def _first_is_free(tensor: TensorSpec) -> bool:
    return bool(tensor.shape) and tensor.shape[0] == -1


def _says_whole_shapes(spec: ModelSpec, file: FileSignature) -> bool:
    """Whether an entry that says nothing of batches names a tensor with as many dimensions as it has in the file."""
    ranks = {tensor.name: len(tensor.shape) for tensor in (*file.inputs, *file.outputs)}
    return any(ranks.get(entry.name) == len(entry.shape) for entry in (*spec.inputs, *spec.outputs))


def _check_batch_dimension(spec: ModelSpec, file: FileSignature) -> None:
    if file.largest_batch is not None and (spec.max_batch_size or 0) > file.largest_batch:
        raise ConfigurationError(
            f"The entry says max_batch_size {spec.max_batch_size}, but the model's file allows at most {file.largest_batch} rows."
        )
    exempt = file.shapeless | {entry.name for entry in spec.inputs if entry.ragged}
    named = {entry.name for entry in spec.outputs}
    needed = [*file.inputs, *(tensor for tensor in file.outputs if not named or tensor.name in named)]
    for tensor in needed:
        if tensor.name not in exempt and not _first_is_free(tensor):
            raise ConfigurationError(
                f"The entry says max_batch_size {spec.max_batch_size}, but the first dimension of {tensor.name!r} is fixed in "
                f"the model's file: its shape is {tensor.shape}. Write `max_batch_size: 0` and whole shapes, or export the model "
                "with a free first dimension."
            )


def _without_batch(tensor: TensorSpec, batched: bool) -> TensorSpec:
    return replace(tensor, shape=tensor.shape[1:]) if batched else tensor


# --- one tensor -----------------------------------------------------------------------------------------------------------


def _checked(entry: TensorSpec, file: FileSignature, kind: Kind, batched: bool) -> TensorSpec:
    """`entry`, if the file agrees with it."""
    found = file.inputs if kind == "input" else file.outputs
    same = next((tensor for tensor in found if tensor.name == entry.name), None)
    if same is None:
        hint = nearest(entry.name, [tensor.name for tensor in found])
        raise ConfigurationError(f"The model's file has no {kind} {entry.name!r}. {hint} It has: {shown(found)}.")
    if entry.datatype != same.datatype:
        raise ConfigurationError(
            f"The entry says that the {kind} {entry.name!r} has the datatype {entry.datatype}; in the model's file it is "
            f"{same.datatype}. Write that, or leave the {kind} out of model.yaml."
        )
    if entry.ragged or entry.name in file.shapeless:
        return entry
    whole = [-1, *entry.shape] if batched else entry.shape
    if not _agree(whole, same.shape):
        raise ConfigurationError(
            f"The entry says that the {kind} {entry.name!r} has the shape {entry.shape}; in the model's file it is "
            f"{_without_batch(same, batched).shape}{' after the batch dimension' if batched else ''}. Write that, or leave the "
            f"{kind} out of model.yaml."
        )
    return replace(entry, optional=entry.optional or same.optional, labels=entry.labels or same.labels)


def _agree(entry: list[int], file: list[int]) -> bool:
    return len(entry) == len(file) and all(theirs in (-1, ours) for ours, theirs in zip(entry, file, strict=True))
