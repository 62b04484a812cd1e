"""Tensors survive the way to an array and back, and nothing is made of those that lie about their size."""

from __future__ import annotations

from typing import cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from jubako.errors import InvalidRequest
from jubako.tensors import DATATYPES, Array, Datatype, Tensor, datatype_of, dtype_of, from_array, to_array

NUMERIC = [datatype for datatype in DATATYPES if datatype not in ("BYTES", "BF16")]

shapes = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)
arrays = st.sampled_from(NUMERIC).flatmap(lambda datatype: hnp.arrays(dtype_of(datatype), shapes))


@settings(deadline=None)
@given(arrays)
def test_numbers_survive(array: Array) -> None:
    tensor = from_array("x", array)
    assert tensor.datatype == datatype_of(array)
    back = to_array(tensor)
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back.reshape(array.shape), array)


@settings(deadline=None)
@given(hnp.arrays(object, shapes, elements=st.binary(max_size=20)))
def test_bytes_survive(array: Array) -> None:
    back = to_array(from_array("x", array))
    assert back.tolist() == array.tolist()


def test_text_becomes_utf_8() -> None:
    assert to_array(from_array("x", np.array(["grün", "重箱"]))).tolist() == ["grün".encode(), "重箱".encode()]


@given(st.floats(width=32, allow_nan=False))
def test_bf16_is_the_nearest(value: float) -> None:
    array = np.array([value], np.float32)
    with np.errstate(over="ignore"):
        back = to_array(from_array("x", array, "BF16"))[0]
    if np.isinf(back):
        assert abs(value) > 3.38e38
    else:
        assert abs(float(back) - value) <= max(abs(value) * 2**-8, 1e-38)


def test_bf16_knows_what_is_no_number() -> None:
    assert np.isnan(to_array(from_array("x", np.array([np.nan], np.float32), "BF16"))[0])


def test_what_bf16_holds_comes_back_exactly() -> None:
    array = np.array([1.0, -2.5, 0.0, np.inf], np.float32)
    np.testing.assert_array_equal(to_array(from_array("x", array, "BF16")), array)


def test_a_whole_array_is_not_copied() -> None:
    array = np.arange(10, dtype=np.float32)
    data = memoryview(from_array("x", array).data)
    assert np.shares_memory(np.frombuffer(data, np.float32), array)


@pytest.mark.parametrize(
    ("shape", "datatype", "data", "message"),
    [
        pytest.param([2, 2], "FP32", bytes(15), "must have 16 bytes; 15 came", id="too short"),
        pytest.param([1], "INT64", bytes(16), "must have 8 bytes; 16 came", id="too long"),
        pytest.param([-1], "FP32", bytes(4), "negative dimension", id="negative"),
        pytest.param([-2, -2], "FP32", bytes(16), "negative dimension", id="negative twice"),
        pytest.param([2**40, 2**40], "FP32", b"", "more elements", id="huge"),
        pytest.param([2**40] * 300_000, "FP32", b"", "300000 dimensions; a tensor has at most 32", id="countless dimensions"),
        pytest.param([2**39], "BYTES", bytes(8), "BYTES elements", id="huge bytes"),
        pytest.param([1], "FP31", bytes(4), "no datatype 'FP31'", id="no datatype"),
        pytest.param([2], "BYTES", b"\x01\x00\x00\x00a", "BYTES elements", id="an element missing"),
        pytest.param([1], "BYTES", b"\x05\x00\x00\x00a", "BYTES elements", id="an element cut"),
        pytest.param([1], "BYTES", b"\x01\x00\x00\x00ab", "BYTES elements", id="too many bytes"),
        pytest.param([0], "BYTES", b"\x00\x00\x00\x00", "BYTES elements", id="an element too many"),
    ],
)
def test_contents_that_do_not_fit_are_refused(shape: list[int], datatype: str, data: bytes, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        to_array(Tensor("x", cast(Datatype, datatype), shape, data))


def test_arrays_without_a_datatype_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="complex128"):
        from_array("x", np.array([1j]))


@settings(deadline=None)
@given(st.sampled_from([*DATATYPES, "X"]), st.lists(st.integers(-3, 5), max_size=3), st.binary(max_size=60))
def test_any_contents_are_an_array_or_refused(datatype: str, shape: list[int], data: bytes) -> None:
    try:
        array = to_array(Tensor("x", cast(Datatype, datatype), shape, data))
    except InvalidRequest:
        return
    assert list(array.shape) == shape
