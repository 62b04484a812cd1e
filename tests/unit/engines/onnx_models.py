"""Tiny ONNX models, written to disk by the tests that serve them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import onnx
from onnx import TensorProto, helper

Dimensions = Sequence[int | str] | None


def save(
    path: Path,
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[onnx.ValueInfoProto],
    initializers: Sequence[onnx.TensorProto] = (),
) -> Path:
    graph = helper.make_graph(list(nodes), "tiny", list(inputs), list(outputs), list(initializers))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, str(path))
    return path


def value(name: str, kind: int, shape: Dimensions) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def identity(path: Path, shape: Dimensions, kind: int = TensorProto.FLOAT) -> Path:
    return save(path, [helper.make_node("Identity", ["x"], ["y"])], [value("x", kind, shape)], [value("y", kind, shape)])


def sum_and_difference(path: Path) -> Path:
    """``sum`` and ``difference`` of ``a`` and ``b``, each FP32 [batch, 3]."""
    pair = [value(name, TensorProto.FLOAT, ["batch", 3]) for name in ("a", "b")]
    results = [value(name, TensorProto.FLOAT, ["batch", 3]) for name in ("sum", "difference")]
    nodes = [helper.make_node("Add", ["a", "b"], ["sum"]), helper.make_node("Sub", ["a", "b"], ["difference"])]
    return save(path, nodes, pair, results)
