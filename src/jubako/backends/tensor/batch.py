"""Members joined into the arrays of one batch, and the batch's outputs cut into answers again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jubako.backends.tensor.intake import Member
from jubako.errors import InternalError
from jubako.messages import InferResult
from jubako.tensors import Array, Arrays, Signature, Tensor, TensorSpec, dtype_of, from_array


class Assembly:
    """How batches of one model are put together and taken apart."""

    def __init__(self, model: str, signature: Signature, padded: frozenset[str]) -> None:
        """
        Args:
            padded: The inputs that have length buckets.
        """
        self._model = model
        self._batched = signature.max_batch_size > 0
        self._inputs = {spec.name: spec for spec in signature.inputs}
        self._outputs = [(spec, dtype_of(spec.datatype)) for spec in signature.outputs]
        self._padded = padded
        self._names = frozenset(spec.name for spec in signature.outputs)

    def wanted(self, members: Sequence[Member]) -> frozenset[str]:
        """The outputs that somebody in the batch wants."""
        names: frozenset[str] = frozenset()
        for member in members:
            if not member.wanted:
                return self._names
            names |= member.wanted
        return names

    def join(self, members: Sequence[Member]) -> Arrays:
        """The inputs of the batch. A lone member's arrays are taken as they are."""
        if len(members) == 1 and not members[0].length:
            return {name: array.reshape(-1) if self._is_ragged(name) else array for name, array in members[0].arrays.items()}
        return {name: self._joined(name, members) for name in members[0].arrays}

    def _joined(self, name: str, members: Sequence[Member]) -> Array:
        if self._is_ragged(name):
            return np.concatenate([member.arrays[name].reshape(-1) for member in members])
        if name in self._padded:
            axis = self._inputs[name].shape.index(-1) + self._batched
            return np.concatenate([_padded(member.arrays[name], axis, member.length) for member in members])
        return np.concatenate([member.arrays[name] for member in members])

    def _is_ragged(self, name: str) -> bool:
        return self._batched and self._inputs[name].ragged

    def split(self, outputs: Arrays, members: Sequence[Member], rows: int) -> list[InferResult]:
        """The answers, in the order of `members`.

        Raises:
            InternalError: the model gave something else than its signature says.
        """
        whole = [(spec, self._checked(spec, dtype, outputs, rows)) for spec, dtype in self._outputs if spec.name in outputs]
        if len(members) == 1 and not members[0].length:
            return [InferResult(outputs=[from_array(spec.name, array, spec.datatype) for spec, array in whole])]
        results: list[InferResult] = []
        start = 0
        cut = [_Cut(spec, array) for spec, array in whole]
        for member in members:
            stop = start + member.rows
            if member.length:
                tensors = [
                    from_array(spec.name, self._trimmed(spec, array[start:stop], member), spec.datatype) for spec, array in whole
                ]
            else:
                tensors = [each.rows(start, stop) for each in cut]
            results.append(InferResult(outputs=tensors))
            start = stop
        return results

    def _checked(self, spec: TensorSpec, dtype: np.dtype[np.generic], outputs: Arrays, rows: int) -> Array:
        array = outputs[spec.name]
        if self._batched and (array.ndim == 0 or array.shape[0] != rows):
            raise InternalError(
                f"The model {self._model!r} gave the output {spec.name!r} the shape {list(array.shape)} for a batch of {rows} "
                f"rows; its first dimension must be {rows}."
            )
        if array.dtype == dtype or spec.datatype == "BYTES":
            return array
        if not np.can_cast(array.dtype, dtype, "same_kind"):
            raise InternalError(
                f"The model {self._model!r} gave the output {spec.name!r} as {array.dtype}, which is not {spec.datatype}."
            )
        return array.astype(dtype)

    def _trimmed(self, spec: TensorSpec, array: Array, member: Member) -> Array:
        """`array` without what stands for the padding of the inputs: along free dimensions that are as long as the bucket."""
        length = next(
            member.arrays[name].shape[self._inputs[name].shape.index(-1) + self._batched]
            for name in member.arrays
            if name in self._padded
        )
        if length == member.length or array.ndim != len(spec.shape) + self._batched:
            return array
        keep = [slice(None)] * self._batched
        keep += [
            slice(length) if ours == -1 and size == member.length else slice(None)
            for ours, size in zip(spec.shape, array.shape[self._batched :], strict=True)
        ]
        return array[tuple(keep)]


class _Cut:
    """One output of a batch, of which rows are handed out without copying them."""

    def __init__(self, spec: TensorSpec, array: Array) -> None:
        self._spec = spec
        self._array = array
        self._tail = list(array.shape[1:])
        self._whole: memoryview | None = None
        if spec.datatype not in ("BYTES", "BF16") and array.size:
            self._whole = np.ascontiguousarray(array).data.cast("B")
            self._row_bytes = len(self._whole) // array.shape[0]

    def rows(self, start: int, stop: int) -> Tensor:
        spec = self._spec
        if self._whole is None:
            return from_array(spec.name, self._array[start:stop], spec.datatype)
        contents = self._whole[start * self._row_bytes : stop * self._row_bytes]
        return Tensor(spec.name, spec.datatype, [stop - start, *self._tail], contents)


def _padded(array: Array, axis: int, length: int) -> Array:
    missing = length - array.shape[axis]
    if not missing:
        return array
    widths = [(0, 0)] * array.ndim
    widths[axis] = (0, missing)
    return np.pad(array, widths, constant_values=b"" if array.dtype == object else 0)
