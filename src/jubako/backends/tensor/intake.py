"""Requests checked against a signature, and measured for the batcher."""

from __future__ import annotations

import difflib
from bisect import bisect_left
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain

import numpy as np

from jubako.errors import InvalidRequest
from jubako.messages import InferRequest, Parameter
from jubako.repository.config import BatchingConfig
from jubako.tensors import Array, Arrays, Signature, Tensor, TensorSpec, check_contents, dtype_of, to_array


@dataclass(slots=True, eq=False)
class Member:
    """One request, or a part of one, on its way into a batch.

    Attributes:
        arrays: Its inputs by name, unpadded.
        rows: Its rows along the batch dimension; 1 where there is none.
        key: Equal for requests that may share a batch.
        work: By the cost function, padding counted.
        length: Its length bucket, 0 for none.
        wanted: Names of the outputs asked for; empty for all.
        parameters: What the model is to know; empty where it takes none.
        arrival: When it came, in seconds of :func:`time.perf_counter`.
    """

    arrays: Arrays
    rows: int
    key: Hashable
    work: float
    length: int
    wanted: frozenset[str]
    parameters: Mapping[str, Parameter]
    arrival: float


class _Input:
    """One input of the signature, with what is asked of each request worked out once."""

    __slots__ = ("buckets", "datatype", "dtype", "free", "is_plain", "name", "ragged", "shape", "spec")

    def __init__(self, spec: TensorSpec, buckets: list[int]) -> None:
        self.spec = spec
        self.name = spec.name
        self.datatype = spec.datatype
        self.dtype = dtype_of(spec.datatype)
        self.shape = spec.shape
        self.ragged = spec.ragged
        self.free = -1 in spec.shape
        self.buckets = sorted(buckets)
        self.is_plain = spec.datatype not in ("BYTES", "BF16")

    def fits(self, shape: list[int]) -> bool:
        """Whether `shape`, without the batch dimension, is one of this input's."""
        return shape == self.shape or (
            self.free
            and len(shape) == len(self.shape)
            and all(ours == size or (ours == -1 and size >= 0) for ours, size in zip(self.shape, shape, strict=True))
        )

    def bucket(self, shape: list[int]) -> int:
        """The length to which the free dimension is padded; a length beyond all buckets is its own."""
        length = shape[self.shape.index(-1)]
        place = bisect_left(self.buckets, length)
        return self.buckets[place] if place < len(self.buckets) else length


class Intake:
    """Makes members of requests.

    Args:
        model: What the model is called in errors.
        takes_parameters: Whether requests with different parameters must not share a batch.
        cost: The model's own cost function, for ``cost: model``.
    """

    def __init__(
        self,
        model: str,
        signature: Signature,
        batching: BatchingConfig,
        *,
        takes_parameters: bool,
        cost: Callable[[Arrays], float],
    ) -> None:
        self._model = model
        self._batched = signature.max_batch_size > 0
        self._inputs = {spec.name: _Input(spec, batching.length_buckets.get(spec.name, [])) for spec in signature.inputs}
        self._required = sum(not spec.optional for spec in signature.inputs)
        self._outputs = [spec.name for spec in signature.outputs]
        self._takes_parameters = takes_parameters
        self._cost = batching.cost
        self._model_cost = cost
        # The usual model: its requests all look the same, so that they have no key.
        self._uniform = not any(each.free or each.spec.optional for each in self._inputs.values())

    def take(self, request: InferRequest, arrival: float) -> Member:
        """
        Raises:
            InvalidRequest: an input is missing, unknown, twice there, or of another datatype, shape or length than it must be.
        """
        arrays: Arrays = {}
        rows = 0 if self._batched else 1
        for tensor in request.inputs:
            spec = self._inputs.get(tensor.name)
            if spec is None:
                raise self._unknown_input(tensor.name)
            if tensor.name in arrays:
                raise InvalidRequest(f"The input {tensor.name!r} is there twice.", param=tensor.name)
            rows = self._rows(tensor, spec, rows)
            arrays[tensor.name] = self._array(tensor, spec)
        if len(arrays) < len(self._inputs):
            self._check_complete(arrays)
        wanted = frozenset(output.name for output in request.outputs) if request.outputs else _ALL
        if not wanted <= set(self._outputs):
            raise self._unknown_output(wanted)
        parameters = request.parameters if self._takes_parameters else _NO_PARAMETERS
        key, length = (None, 0) if self._uniform else self._shape_key(arrays)
        if parameters:
            key = (key, tuple(sorted((name, repr(value)) for name, value in parameters.items())))
        work = float(rows) if self._cost == "rows" else self._work(arrays)
        return Member(arrays, rows, key, work, length, wanted, parameters, arrival)

    def _rows(self, tensor: Tensor, spec: _Input, rows: int) -> int:
        """The rows of `tensor`, whose shape must be the input's; `rows` are those of the tensors before it, 0 for none."""
        shape = tensor.shape
        if not self._batched:
            if not spec.fits(shape):
                raise self._wrong_shape(tensor, spec)
            return 1
        if not shape or shape[0] < 1 or not spec.fits(shape[1:]):
            raise self._wrong_shape(tensor, spec)
        if rows and rows != shape[0]:
            raise InvalidRequest(
                f"The inputs must have equally many rows (their first dimension); {tensor.name!r} has {shape[0]}, others {rows}.",
                param=tensor.name,
            )
        return shape[0]

    def _array(self, tensor: Tensor, spec: _Input) -> Array:
        if tensor.datatype != spec.datatype:
            raise InvalidRequest(
                f"The input {tensor.name!r} of the model {self._model!r} has the datatype {spec.datatype}; the request says "
                f"{tensor.datatype}.",
                param=tensor.name,
            )
        if not spec.is_plain:
            return to_array(tensor)
        try:
            return np.frombuffer(tensor.data, spec.dtype).reshape(tensor.shape)
        except ValueError:
            check_contents(tensor)
            return to_array(tensor)  # of no elements, which numpy does not take from a buffer

    def _shape_key(self, arrays: Arrays) -> tuple[Hashable, int]:
        """What must be equal in a batch, and the length bucket if there is one."""
        longest = 0
        parts: list[Hashable] = []
        for name, array in arrays.items():
            spec = self._inputs[name]
            if spec.ragged:
                parts.append(name)
                continue
            shape: list[int] = list(array.shape[1:] if self._batched else array.shape)
            if spec.buckets:
                bucket = spec.bucket(shape)
                shape[spec.shape.index(-1)] = bucket
                longest = max(longest, bucket)
            parts.append((name, tuple(shape)))
        return frozenset(parts), longest

    def _work(self, arrays: Arrays) -> float:
        if self._cost == "model":
            return self._model_cost(arrays)
        return float(sum(self._padded_size(name, array) for name, array in arrays.items() if self._cost in ("elements", name)))

    def _padded_size(self, name: str, array: Array) -> int:
        spec = self._inputs[name]
        if not spec.buckets or not array.size:
            return int(array.size)
        shape = list(array.shape[1:] if self._batched else array.shape)
        return int(array.size // shape[spec.shape.index(-1)] * spec.bucket(shape))

    def _check_complete(self, arrays: Arrays) -> None:
        missing = [name for name, each in self._inputs.items() if name not in arrays and not each.spec.optional]
        if missing:
            raise InvalidRequest(
                f"The model {self._model!r} needs the input {' and '.join(map(repr, missing))}, which did not come. Its inputs "
                f"are {self._shown_inputs()}.",
                param=missing[0],
            )

    def _unknown_input(self, name: str) -> InvalidRequest:
        return InvalidRequest(
            f"The model {self._model!r} has no input {name!r}.{_near(name, self._inputs)} Its inputs are {self._shown_inputs()}.",
            param=name,
        )

    def _unknown_output(self, wanted: Iterable[str]) -> InvalidRequest:
        name = next(each for each in wanted if each not in self._outputs)
        return InvalidRequest(
            f"The model {self._model!r} has no output {name!r}.{_near(name, self._outputs)} Its outputs are "
            f"{', '.join(map(repr, self._outputs))}.",
            param=name,
        )

    def _wrong_shape(self, tensor: Tensor, spec: _Input) -> InvalidRequest:
        expected = [-1, *spec.shape] if self._batched else spec.shape
        hint = ""
        if self._batched and spec.fits(tensor.shape):
            hint = f" The first dimension is the batch: for one row send {[1, *tensor.shape]}."
        return InvalidRequest(
            f"The input {tensor.name!r} of the model {self._model!r} must have the shape {expected} (-1 is any size); "
            f"{tensor.shape} came.{hint}",
            param=tensor.name,
        )

    def _shown_inputs(self) -> str:
        shown = (
            f"{each.name!r} ({each.datatype} {[-1, *each.shape] if self._batched else each.shape}"
            f"{', optional' if each.spec.optional else ''})"
            for each in self._inputs.values()
        )
        return ", ".join(shown) or "none"


_ALL: frozenset[str] = frozenset()
_NO_PARAMETERS: Mapping[str, Parameter] = {}


def _near(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(chain(known)), n=1)
    return f" Did you mean {near[0]!r}?" if near else ""
