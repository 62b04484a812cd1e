"""What the protocol promises beside a model's own answer: shared memory, classification, and only the outputs asked for."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from msgspec.structs import replace

from jubako.errors import InvalidRequest
from jubako.messages import InferRequest, InferResult, RequestedOutput
from jubako.tensors import Region, Signature, Tensor, from_array, to_array

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - where the system keeps shared memory
"""Where ``shm_open`` of Linux keeps its regions."""


def receive(request: InferRequest) -> InferRequest:
    """The request with the contents of its tensors in place of the shared memory in which they lie.

    Raises:
        InvalidRequest: the shared memory is not there, or is too short.
    """
    if all(tensor.region is None for tensor in request.inputs):
        return request
    return replace(request, inputs=[_read(tensor) for tensor in request.inputs])


def deliver(wanted: Sequence[RequestedOutput], result: InferResult, signature: Signature | None) -> InferResult:
    """Of `result` the outputs that are `wanted` (all if none is named), each in the form and in the place asked for.

    Raises:
        InvalidRequest: an output does not exist, can't be classified or does not fit into its shared memory.
    """
    if not wanted:
        return result
    outputs = {tensor.name: tensor for tensor in result.outputs}
    delivered = [_deliver(_find(each.name, outputs), each, signature) for each in wanted]
    return replace(result, outputs=delivered)


def _find(name: str, outputs: dict[str, Tensor]) -> Tensor:
    if (tensor := outputs.get(name)) is None:
        raise InvalidRequest(f"The model has no output {name!r}; it gave {', '.join(map(repr, outputs)) or 'none'}.", param=name)
    return tensor


def _deliver(tensor: Tensor, wanted: RequestedOutput, signature: Signature | None) -> Tensor:
    if wanted.classes:
        tensor = _classify(tensor, wanted.classes, signature)
    return _write(tensor, wanted.region) if wanted.region is not None else tensor


# --- classification -----------------------------------------------------------------------------------------------------


def _classify(tensor: Tensor, classes: int, signature: Signature | None) -> Tensor:
    """The highest `classes` values of each row as BYTES ``value:index`` or ``value:index:label``, highest first.

    The form is that of the classification extension
    (https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_classification.md).
    """
    if tensor.datatype in ("BYTES", "BOOL"):
        raise InvalidRequest(f"The output {tensor.name!r} is {tensor.datatype}, which can't be classified.", param=tensor.name)
    values = to_array(tensor)
    has_rows = signature is not None and signature.max_batch_size > 0 and values.ndim > 0
    rows = values.reshape(values.shape[0] if has_rows else 1, -1)
    best = np.argsort(-rows.astype(np.float64), axis=1, kind="stable")[:, :classes]
    labels = _labels(tensor.name, signature)
    text = [[_class_text(row[index], int(index), labels) for index in order] for row, order in zip(rows, best, strict=True)]
    found = np.array(text, dtype=object).reshape(best.shape if has_rows else best.shape[1:])
    return from_array(tensor.name, found, "BYTES")


def _class_text(value: np.generic, index: int, labels: list[str]) -> bytes:
    shown = f"{value:f}" if isinstance(value, np.floating) else str(value)
    return f"{shown}:{index}:{labels[index]}".encode() if index < len(labels) else f"{shown}:{index}".encode()


def _labels(name: str, signature: Signature | None) -> list[str]:
    return next((output.labels for output in signature.outputs if output.name == name), []) if signature else []


# --- shared memory ------------------------------------------------------------------------------------------------------


def _read(tensor: Tensor) -> Tensor:
    if (region := tensor.region) is None:
        return tensor
    contents = np.empty(region.byte_size, np.uint8).data
    with _opened(region, os.O_RDONLY) as descriptor:
        done = 0
        # Read and written instead of mapped: a client that cuts the memory short meanwhile must not end this process by a signal.
        while done < len(contents) and (count := os.preadv(descriptor, [contents[done:]], region.offset + done)):
            done += count
    if done < len(contents):
        raise _too_short(region, region.offset + done)
    return replace(tensor, data=contents, region=None)


def _write(tensor: Tensor, region: Region) -> Tensor:
    contents = memoryview(tensor.data)
    if len(contents) > region.byte_size:
        raise InvalidRequest(
            f"The output {tensor.name!r} has {len(contents)} bytes, more than the {region.byte_size} of the shared memory that "
            "it is to be written to.",
            param=tensor.name,
        )
    with _opened(region, os.O_WRONLY) as descriptor:
        done = 0
        while done < len(contents):
            done += os.pwrite(descriptor, contents[done:], region.offset + done)
    return replace(tensor, data=b"", region=replace(region, byte_size=len(contents)))


@contextmanager
def _opened(region: Region, access: int) -> Iterator[int]:
    """A descriptor of the shared memory, which holds the whole region.

    Raises:
        InvalidRequest: there is no such shared memory, or it ends before the region does.
    """
    name = region.key.removeprefix("/")
    if not name or "/" in name or name in (".", ".."):
        raise InvalidRequest(f"{region.key!r} is not the name of shared memory.")
    try:
        descriptor = os.open(SHARED_MEMORY / name, access | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise InvalidRequest(f"The shared memory {region.key!r} can't be opened: {error.strerror}.") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size < region.offset + region.byte_size:
            raise _too_short(region, status.st_size)
        yield descriptor
    finally:
        os.close(descriptor)


def _too_short(region: Region, length: int) -> InvalidRequest:
    return InvalidRequest(
        f"The shared memory {region.key!r} has {length} bytes, fewer than the {region.byte_size} that were registered from "
        f"offset {region.offset} on."
    )
