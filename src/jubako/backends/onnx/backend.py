"""ONNX models on onnxruntime."""

from __future__ import annotations

from jubako.backends.onnx.engine import OnnxEngine
from jubako.backends.tensor.model import TensorBackend


class OnnxBackend(TensorBackend):
    """The backend ``onnx``."""

    engine_class = OnnxEngine
