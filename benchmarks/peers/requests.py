"""The bytes that are sent: one row of a workload, in each protocol's form."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from benchmarks.peers.workloads import INPUT, OUTPUT, Workload
from jubako.protos.inference import ModelInferRequest

FrontName: TypeAlias = Literal["http", "http-binary", "grpc"]
FRONTS: tuple[FrontName, ...] = ("http", "http-binary", "grpc")
"""JSON over HTTP, raw tensors over HTTP (the V2 protocol's binary extension), gRPC."""

GRPC_METHOD = "/inference.GRPCInferenceService/ModelInfer"


@dataclass(frozen=True)
class Request:
    """A POST. Over gRPC, `body` is one message with the five bytes of gRPC's frame before it."""

    path: str
    body: bytes
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})


RequestOf: TypeAlias = Callable[[Workload], Request]


def v2_json(workload: Workload) -> Request:
    tensor = {"name": INPUT, "shape": [1, workload.width], "datatype": "FP32", "data": workload.row()}
    return Request(f"/v2/models/{workload.model}/infer", json.dumps({"inputs": [tensor]}).encode())


def v2_binary(workload: Workload) -> Request:
    return v2_binary_of(workload.model, [1, workload.width], _raw(workload))


def v2_binary_of(model: str, shape: Sequence[int], raw: bytes) -> Request:
    """Raw FP32 in, raw FP32 out."""
    sent = {"name": INPUT, "shape": list(shape), "datatype": "FP32", "parameters": {"binary_data_size": len(raw)}}
    wanted = {"name": OUTPUT, "parameters": {"binary_data": True}}
    head = json.dumps({"inputs": [sent], "outputs": [wanted]}).encode()
    headers = {"Inference-Header-Content-Length": str(len(head)), "Content-Type": "application/octet-stream"}
    return Request(f"/v2/models/{model}/infer", head + raw, headers)


def v2_grpc(workload: Workload) -> Request:
    return Request(GRPC_METHOD, framed(v2_message(workload.model, [1, workload.width], _raw(workload))))


def v2_message(model: str, shape: Sequence[int], raw: bytes) -> bytes:
    tensor = ModelInferRequest.InferInputTensor(name=INPUT, datatype="FP32", shape=shape)
    return ModelInferRequest(model_name=model, inputs=[tensor], raw_input_contents=[raw]).SerializeToString()


def framed(message: bytes) -> bytes:
    """As gRPC sends a message: not compressed, its length, itself."""
    return struct.pack(">BI", 0, len(message)) + message


def plain_json(key: str) -> RequestOf:
    """For servers with a form of their own: ``{key: [row]}``, posted to the model's name."""
    return lambda workload: Request(f"/{workload.model}", json.dumps({key: [workload.row()]}).encode())


def _raw(workload: Workload) -> bytes:
    return struct.pack(f"<{workload.width}f", *workload.row())
