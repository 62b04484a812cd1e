"""What is sent to every server."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest

from benchmarks.peers.requests import framed, plain_json, v2_binary, v2_grpc, v2_json
from benchmarks.peers.workloads import WORKLOADS, Workload
from jubako.protos.inference import ModelInferRequest


@pytest.mark.parametrize("workload", WORKLOADS.values(), ids=list(WORKLOADS))
def test_every_form_carries_the_same_row(workload: Workload) -> None:
    row = np.asarray(workload.row(), np.float32)
    in_json = json.loads(v2_json(workload).body)["inputs"][0]
    assert in_json["shape"] == [1, workload.width]
    np.testing.assert_array_equal(np.asarray(in_json["data"], np.float32), row)

    binary = v2_binary(workload)
    head = int(binary.headers["Inference-Header-Content-Length"])
    assert json.loads(binary.body[:head])["inputs"][0]["parameters"]["binary_data_size"] == row.nbytes
    np.testing.assert_array_equal(np.frombuffer(binary.body[head:], np.float32), row)

    message = ModelInferRequest.FromString(v2_grpc(workload).body[5:])
    assert (message.model_name, list(message.inputs[0].shape)) == (workload.model, [1, workload.width])
    np.testing.assert_array_equal(np.frombuffer(message.raw_input_contents[0], np.float32), row)

    np.testing.assert_array_equal(np.asarray(json.loads(plain_json("x")(workload).body)["x"], np.float32), [row])


def test_a_frame_says_its_length() -> None:
    assert framed(b"abc") == struct.pack(">BI", 0, 3) + b"abc"
