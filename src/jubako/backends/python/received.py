"""A request's tensors as arrays, checked against the model's signature."""

from __future__ import annotations

from jubako.errors import InvalidRequest
from jubako.messages import InferRequest
from jubako.repository.problem import nearest
from jubako.tensors import Arrays, Signature, Tensor, TensorSpec, to_array


def received_arrays(request: InferRequest, signature: Signature) -> Arrays:
    """The inputs of a request.

    Raises:
        InvalidRequest: one is missing, unknown, given twice, or of another datatype or shape; or an output is wanted that the
            model does not have.
    """
    specs = {spec.name: spec for spec in signature.inputs}
    arrays: Arrays = {}
    for tensor in request.inputs:
        spec = specs.get(tensor.name)
        if spec is None:
            raise _unknown("input", tensor.name, list(specs))
        if tensor.name in arrays:
            raise InvalidRequest(f"The input {tensor.name!r} is given twice.", param=tensor.name)
        _check(tensor, spec, signature.max_batch_size)
        arrays[tensor.name] = to_array(tensor)
    for spec in signature.inputs:
        if not spec.optional and spec.name not in arrays:
            raise InvalidRequest(
                f"The input {spec.name!r} ({spec.datatype}, shape {spec.shape}) is missing; the model takes {', '.join(specs)}.",
                param=spec.name,
            )
    if signature.max_batch_size and len(rows := {len(array) for array in arrays.values()}) > 1:
        raise InvalidRequest(f"The inputs have different batch sizes: {', '.join(map(str, sorted(rows)))}.", param="inputs")
    outputs = [spec.name for spec in signature.outputs]
    for wanted in request.outputs:
        if wanted.name not in outputs:
            raise _unknown("output", wanted.name, outputs)
    return arrays


def _check(tensor: Tensor, spec: TensorSpec, max_batch_size: int) -> None:
    if tensor.datatype != spec.datatype:
        raise InvalidRequest(
            f"The input {spec.name!r} must be of datatype {spec.datatype}; {tensor.datatype} came.", param=spec.name
        )
    whole = [-1, *spec.shape] if max_batch_size else spec.shape
    fits = len(whole) == len(tensor.shape) and all(want in (-1, has) for want, has in zip(whole, tensor.shape, strict=True))
    if not fits:
        raise InvalidRequest(f"The input {spec.name!r} must have the shape {whole}; {tensor.shape} came.", param=spec.name)
    if max_batch_size and not 1 <= tensor.shape[0] <= max_batch_size:
        raise InvalidRequest(
            f"The input {spec.name!r} has {tensor.shape[0]} rows; the model takes 1 to {max_batch_size}.", param=spec.name
        )


def _unknown(kind: str, name: str, known: list[str]) -> InvalidRequest:
    hint = nearest(name, known)
    return InvalidRequest(f"The model has no {kind} {name!r}. {hint}".rstrip(), param=name)
