"""One ONNX model on onnxruntime."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import msgspec
import numpy as np
import onnxruntime
from onnxruntime.capi.onnxruntime_pybind11_state import (
    Fail,
    InvalidArgument,
    InvalidGraph,
    InvalidProtobuf,
    NoSuchFile,
    NotImplemented,  # noqa: A004 - onnxruntime's own name
    RuntimeException,
)

from jubako.backends.onnx.params import OnnxParams
from jubako.backends.onnx.providers import CPU, choose
from jubako.backends.onnx.values import DATATYPES, as_text, from_value, to_value
from jubako.backends.processors import spare_processors
from jubako.backends.tensor.completion import FileSignature, complete
from jubako.backends.tensor.engine import TensorEngine
from jubako.backends.tensor.files import model_file
from jubako.errors import ConfigurationError, InternalError, InvalidRequest
from jubako.messages import Parameter
from jubako.tensors import Arrays, Signature, TensorSpec

log = logging.getLogger(__name__)

_LEVELS = {
    "all": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL,
    "extended": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    "basic": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    "none": onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL,
}
_MODES = {
    "sequential": onnxruntime.ExecutionMode.ORT_SEQUENTIAL,
    "parallel": onnxruntime.ExecutionMode.ORT_PARALLEL,
}


class OnnxEngine(TensorEngine):
    """The engine of the backend ``onnx``."""

    _session: onnxruntime.InferenceSession

    def load(self) -> Signature:
        params = msgspec.convert(self.spec.params, OnnxParams)
        file = model_file(self.spec, (".onnx", ".ort"))
        self._session = self._open(file, params)
        signature = complete(self.spec, file_signature(self._session))
        self._datatypes = {tensor.name: tensor.datatype for tensor in signature.inputs}
        self._outputs = [tensor.name for tensor in signature.outputs]
        self._text = [tensor.name for tensor in signature.inputs if tensor.datatype == "BYTES"]
        self._has_bf16 = any(tensor.datatype == "BF16" for tensor in (*signature.inputs, *signature.outputs))
        return signature

    def run(self, inputs: Arrays, wanted: frozenset[str], parameters: Mapping[str, Parameter]) -> Arrays:
        names = [name for name in self._outputs if name in wanted]
        try:
            return self._run_values(names, inputs) if self._has_bf16 else self._run_arrays(names, inputs)
        except InvalidArgument as error:
            raise InvalidRequest(f"The model {self.spec.model!r} can't compute these inputs: {_said(error)}") from None
        except (Fail, RuntimeException) as error:
            raise InternalError(f"The model {self.spec.model!r} could not be computed: {_said(error)}") from error

    def _run_arrays(self, names: list[str], inputs: Arrays) -> Arrays:
        if self._text:
            inputs = {**inputs, **{name: as_text(name, inputs[name]) for name in self._text if name in inputs}}
        return dict(zip(names, map(np.asarray, self._session.run(names, inputs)), strict=True))

    def _run_values(self, names: list[str], inputs: Arrays) -> Arrays:
        values = {name: to_value(name, array, self._datatypes[name]) for name, array in inputs.items()}
        return dict(zip(names, map(from_value, self._session.run_with_ort_values(names, values)), strict=True))

    def _open(self, file: Path, params: OnnxParams) -> onnxruntime.InferenceSession:
        providers = choose(params, self.spec.device_index)
        try:
            session = onnxruntime.InferenceSession(file, _options(params), providers=providers)
        except (Fail, InvalidArgument, InvalidGraph, InvalidProtobuf, NoSuchFile, NotImplemented) as error:
            raise ConfigurationError(f"onnxruntime {onnxruntime.__version__} can't load {file}: {_said(error)}") from None
        used = session.get_providers()
        if params.providers and (lost := [name for name, _ in providers if name not in used]):
            raise ConfigurationError(
                f"onnxruntime could not start {', '.join(lost)}, which the entry names under `providers`; its log says why. "
                "Mend that, or leave `providers` out to take what there is."
            )
        if used != [CPU]:
            log.info("%s is computed by %s", self.spec.model, ", ".join(used))
        return session


def file_signature(session: onnxruntime.InferenceSession) -> FileSignature:
    """What the model's file says. Outputs that are no tensors, such as sequences of maps, are left out.

    Raises:
        ConfigurationError: an input is no tensor.
    """
    inputs = [_tensor(argument) for argument in session.get_inputs()]
    optional = [msgspec.structs.replace(_tensor(each), optional=True) for each in session.get_overridable_initializers()]
    outputs = []
    for argument in session.get_outputs():
        if argument.type in DATATYPES:
            outputs.append(_tensor(argument))
        else:
            log.warning("the output %r is a %s, which is no tensor, and is left out", argument.name, argument.type)
    shapeless = frozenset(tensor.name for tensor in (*inputs, *outputs) if not tensor.shape)
    return FileSignature(inputs=inputs + optional, outputs=outputs, platform="onnxruntime_onnx", shapeless=shapeless)


def _tensor(argument: onnxruntime.NodeArg) -> TensorSpec:
    if (datatype := DATATYPES.get(argument.type)) is None:
        raise ConfigurationError(f"The input {argument.name!r} is a {argument.type}; only tensors can be served.")
    # A name, or nothing, stands for any length. No shape at all is a single number, or one that the file leaves out.
    shape = [size if isinstance(size, int) else -1 for size in argument.shape or []]
    return TensorSpec(name=argument.name, datatype=datatype, shape=shape)


def _options(params: OnnxParams) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = params.intra_op_threads or spare_processors()
    options.inter_op_num_threads = params.inter_op_threads
    options.graph_optimization_level = _LEVELS[params.graph_optimization]
    options.execution_mode = _MODES[params.execution_mode]
    for key, value in params.session_config.items():
        options.add_session_config_entry(key, value)
    return options


def _said(error: Exception) -> str:
    """What onnxruntime says, without its codes: ``[ONNXRuntimeError] : 2 : INVALID_ARGUMENT : what it says``."""
    text = str(error).split(" : ", 3)[-1]
    return " ".join(text.split())
