"""Shared memory, classification and the choice of outputs."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from jubako.errors import InvalidRequest
from jubako.messages import InferRequest, InferResult, RequestedOutput
from jubako.runner.delivery import SHARED_MEMORY, deliver, receive
from jubako.tensors import Region, Signature, Tensor, TensorSpec, from_array, to_array

VALUES = np.array([[0.1, 0.7, 0.2], [0.5, 0.25, 0.25]], np.float32)
RESULT = InferResult(outputs=[from_array("p", VALUES), from_array("other", np.array([1]))])
SIGNATURE = Signature(
    inputs=[], outputs=[TensorSpec(name="p", datatype="FP32", shape=[3], labels=["cat", "dog"])], max_batch_size=8
)


@pytest.fixture
def memory() -> Iterator[Path]:
    """A file in the system's shared memory, 64 bytes."""
    path = SHARED_MEMORY / f"jubako-test-{os.getpid()}-{uuid.uuid4().hex}"
    path.write_bytes(bytes(range(64)))
    yield path
    path.unlink(missing_ok=True)


def asking(key: str, offset: int, size: int) -> InferRequest:
    return InferRequest(model="m", inputs=[Tensor("x", "UINT8", [size], b"", Region(key, offset, size))])


def test_all_outputs_come_where_none_is_named() -> None:
    assert deliver([], RESULT, SIGNATURE) is RESULT


def test_named_outputs_come_in_their_order_and_no_others() -> None:
    names = [tensor.name for tensor in deliver([RequestedOutput("other"), RequestedOutput("p")], RESULT, None).outputs]
    assert names == ["other", "p"]
    with pytest.raises(InvalidRequest, match="no output 'q'; it gave 'p', 'other'"):
        deliver([RequestedOutput("q")], RESULT, None)


def test_classes_come_highest_first_with_their_labels() -> None:
    (tensor,) = deliver([RequestedOutput("p", classes=2)], RESULT, SIGNATURE).outputs
    assert tensor.datatype == "BYTES"
    assert to_array(tensor).tolist() == [[b"0.700000:1:dog", b"0.200000:2"], [b"0.500000:0:cat", b"0.250000:1:dog"]]


def test_more_classes_than_there_are_give_all() -> None:
    (tensor,) = deliver([RequestedOutput("p", classes=99)], RESULT, SIGNATURE).outputs
    assert tensor.shape == [2, 3]


def test_without_a_batch_dimension_the_whole_output_is_one_row() -> None:
    signature = Signature(inputs=[], outputs=[TensorSpec(name="p", datatype="FP32", shape=[3])])
    (tensor,) = deliver([RequestedOutput("p", classes=1)], InferResult(outputs=[from_array("p", VALUES[0])]), signature).outputs
    assert to_array(tensor).tolist() == [b"0.700000:1"]


def test_text_can_not_be_classified() -> None:
    result = InferResult(outputs=[from_array("p", np.array([b"a"], object))])
    with pytest.raises(InvalidRequest, match="BYTES, which can't be classified"):
        deliver([RequestedOutput("p", classes=1)], result, SIGNATURE)


def test_inputs_are_read_from_shared_memory(memory: Path) -> None:
    (tensor,) = receive(asking(f"/{memory.name}", 4, 8)).inputs
    assert tensor.region is None
    assert to_array(tensor).tolist() == list(range(4, 12))


def test_outputs_are_written_to_shared_memory(memory: Path) -> None:
    wanted = RequestedOutput("p", region=Region(memory.name, 8, 56))
    (tensor,) = deliver([wanted], RESULT, SIGNATURE).outputs
    assert (bytes(tensor.data), tensor.shape) == (b"", [2, 3])
    assert tensor.region == Region(memory.name, 8, 24)
    assert memory.read_bytes()[:8] == bytes(range(8))
    np.testing.assert_array_equal(np.frombuffer(memory.read_bytes()[8:32], np.float32).reshape(2, 3), VALUES)


def test_an_output_larger_than_its_memory_is_refused_and_nothing_written(memory: Path) -> None:
    with pytest.raises(InvalidRequest, match="has 24 bytes, more than the 16"):
        deliver([RequestedOutput("p", region=Region(memory.name, 0, 16))], RESULT, SIGNATURE)
    assert memory.read_bytes() == bytes(range(64))


@pytest.mark.parametrize("key", ["", "/", "..", "a/b", "/../etc/passwd", "no-such-region-of-jubako"])
def test_names_that_are_none_are_refused(key: str) -> None:
    with pytest.raises(InvalidRequest):
        receive(asking(key, 0, 4))


def test_memory_that_ends_before_the_region_is_refused(memory: Path) -> None:
    with pytest.raises(InvalidRequest, match="has 64 bytes, fewer than the 8 that were registered from offset 60"):
        receive(asking(memory.name, 60, 8))


def test_a_link_out_of_the_shared_memory_is_not_followed(memory: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(64))
    memory.unlink()
    memory.symlink_to(secret)
    with pytest.raises(InvalidRequest, match="can't be opened"):
        receive(asking(memory.name, 0, 4))
