"""``triton_python_backend_utils``, as far as no server is needed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from jubako.backends.base import ModelSpec
from jubako.backends.triton_python.configuration import ModelConfig, configuration, signature
from jubako.backends.triton_python.errors import TritonError, TritonModelException, to_jubako, to_triton
from jubako.backends.triton_python.responses import InferenceResponse, ResponseSender
from jubako.backends.triton_python.tensors import Tensor, numpy_to_triton_type, triton_string_to_numpy, triton_to_numpy_type
from jubako.errors import ConfigurationError, InvalidRequest, ModelNotFound, Overloaded
from jubako.tensors import DATATYPES

SPEC = ModelSpec(model="m", version=1, implementation="", tasks=["infer"])


def test_tensors_may_be_written_to() -> None:
    array = np.frombuffer(b"\x01\x00\x00\x00", np.int32)
    tensor = Tensor("x", array)
    tensor.as_numpy()[0] = 7
    assert (tensor.as_numpy().tolist(), array.tolist()) == ([7], [1])


def test_tensors_travel_by_dlpack() -> None:
    tensor = Tensor("x", np.arange(6, dtype=np.float32).reshape(2, 3))
    again = Tensor.from_dlpack("y", tensor)
    assert (again.name(), again.shape(), again.as_numpy()[1, 2]) == ("y", (2, 3), 5.0)
    assert Tensor.from_dlpack("z", tensor.to_dlpack()).dims() == [2, 3]
    with pytest.raises(TritonModelException):
        Tensor.from_dlpack("x", "no tensor")


def test_names_of_datatypes() -> None:
    for datatype in DATATYPES:
        name = "STRING" if datatype == "BYTES" else datatype
        scalar = triton_string_to_numpy(f"TYPE_{name}")
        assert datatype == "BF16" or triton_to_numpy_type(numpy_to_triton_type(scalar)) is scalar
    with pytest.raises(TritonModelException):
        triton_string_to_numpy("TYPE_FP8")


def test_errors_keep_their_kind() -> None:
    assert isinstance(to_jubako(TritonError("no", TritonError.INVALID_ARG)), InvalidRequest)
    assert to_jubako(TritonError("no")).http_status == 500
    assert to_triton(ModelNotFound("gone")).code() == TritonError.NOT_FOUND
    assert to_triton(Overloaded("busy")).code() == TritonError.UNAVAILABLE


class Collected:
    cancelled = False

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def put(self, response: InferenceResponse) -> None:
        self.seen.append(response)

    def end(self) -> None:
        self.seen.append("end")


def test_a_sender_ends_once() -> None:
    answer = Collected()
    sender = ResponseSender(answer)
    with pytest.raises(TritonModelException):
        sender.send()
    sender.send(InferenceResponse([]), flags=1)
    with pytest.raises(TritonModelException):
        sender.send(InferenceResponse([]))
    del sender
    assert answer.seen[1:] == ["end"]


def test_a_model_adds_to_its_configuration() -> None:
    def complete(config: ModelConfig) -> ModelConfig:
        config.add_input({"name": "x", "data_type": "TYPE_FP32", "dims": [-1]})
        config.add_output({"name": "y", "data_type": "TYPE_STRING", "dims": [1]})
        config.set_model_transaction_policy({"decoupled": True})
        config.set_max_batch_size(3)
        return config

    found = signature(configuration(SPEC, complete), SPEC)
    assert [(each.name, each.datatype, each.shape) for each in (*found.inputs, *found.outputs)] == [
        ("x", "FP32", [-1]),
        ("y", "BYTES", [1]),
    ]
    assert (found.max_batch_size, found.decoupled) == (3, True)


def test_a_model_that_contradicts_its_configuration() -> None:
    def contradict(config: ModelConfig) -> ModelConfig:
        config.add_input({"name": "x", "data_type": "TYPE_FP32", "dims": [-1]})
        config.add_input({"name": "x", "data_type": "TYPE_FP16", "dims": [-1]})
        return config

    with pytest.raises(ConfigurationError, match="'x' has data_type TYPE_FP32 in the configuration, TYPE_FP16 in the model"):
        configuration(SPEC, contradict)
    with pytest.raises(ConfigurationError, match="must return the configuration"):
        configuration(SPEC, lambda config: None)
    with pytest.raises(ConfigurationError, match="names no input"):
        signature(configuration(SPEC, None), SPEC)
