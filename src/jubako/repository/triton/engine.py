"""The engines' parameters, which a config.pbtxt says in several places.

The names of onnxruntime's and PyTorch's are those of Triton's backends:
https://github.com/triton-inference-server/onnxruntime_backend#model-config-options and
https://github.com/triton-inference-server/pytorch_backend#customization
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from jubako.protos import inference
from jubako.repository.document import Value
from jubako.repository.problem import FieldPath

_ONNX_NUMBERS = {"intra_op_thread_count": "intra_op_threads", "inter_op_thread_count": "inter_op_threads"}
_ONNX_MODES: dict[str, Value] = {"0": "sequential", "1": "parallel"}
_ONNX_SESSION = "session."
_TORCH_THREADS = "INTRA_OP_THREAD_COUNT"
_GRAPH_LEVELS = {-1: "basic", 1: "extended"}
_NUMBER = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True)
class EngineValue:
    """One of the parameters under ``engine``, and the field that says it."""

    name: str
    value: Value
    origin: FieldPath


def engine_values(backend: str, config: inference.ModelConfig) -> Iterator[EngineValue]:
    """What `config` says for the engine of `backend`, one of ours. Numbers of 0 leave a parameter to the engine."""
    if backend == "onnx":
        yield from _onnx(config)
    elif backend == "torch":
        yield from _torch(config)
    elif backend == "ensemble":
        steps: list[Value] = [_step(step) for step in config.ensemble_scheduling.step]
        yield EngineValue("steps", steps, ("ensemble_scheduling", 0, "step", 0))


def idle_parameters(backend: str, config: inference.ModelConfig) -> list[str]:
    """The names under ``parameters`` that the engine does not know. Code of the user's own may read any."""
    if backend not in ("onnx", "torch"):
        return []
    known = {value.origin[1] for value in engine_values(backend, config) if value.origin[0] == "parameters"}
    return sorted(name for name in config.parameters if name not in known and not _is_zero(config.parameters[name].string_value))


def _onnx(config: inference.ModelConfig) -> Iterator[EngineValue]:
    if config.optimization.HasField("graph"):
        level = _GRAPH_LEVELS.get(config.optimization.graph.level, "all")
        yield EngineValue("graph_optimization", level, ("optimization", 0, "graph", 0, "level", 0))
    if _is_for_cpu(config):
        yield EngineValue("providers", ["cpu"], ("instance_group", 0, "kind", 0))
    session: dict[str, Value] = {}
    for name, said in sorted(config.parameters.items()):
        text, origin = said.string_value.strip(), ("parameters", name)
        if name in _ONNX_NUMBERS and not _is_zero(text):
            yield EngineValue(_ONNX_NUMBERS[name], _number(text), origin)
        elif name == "execution_mode":
            yield EngineValue(name, _ONNX_MODES.get(text, text), origin)
        elif name.startswith(_ONNX_SESSION):
            session[name] = text
            yield EngineValue("session_config", dict(session), origin)


def _torch(config: inference.ModelConfig) -> Iterator[EngineValue]:
    if _is_for_cpu(config):
        yield EngineValue("device", "cpu", ("instance_group", 0, "kind", 0))
    if _TORCH_THREADS in config.parameters:
        text = config.parameters[_TORCH_THREADS].string_value.strip()
        if not _is_zero(text):
            yield EngineValue("threads", _number(text), ("parameters", _TORCH_THREADS))


def _step(step: inference.ModelEnsembling.Step) -> Value:
    version = f":{step.model_version}" if step.model_name and step.model_version > 0 else ""
    return {
        "model": f"{step.model_name}{version}",
        "inputs": dict[str, Value](step.input_map),
        "outputs": dict[str, Value](step.output_map),
    }


def _is_for_cpu(config: inference.ModelConfig) -> bool:
    kinds = {group.kind for group in config.instance_group if not group.passive}
    return kinds == {inference.ModelInstanceGroup.KIND_CPU}


def _number(text: str) -> Value:
    """The number that `text` is; other text as it stands, for the check of the engine's parameters to refuse."""
    return int(text) if _NUMBER.fullmatch(text) else text


def _is_zero(text: str) -> bool:
    return text.strip() == "0"
