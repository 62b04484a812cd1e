"""What becomes of each field of a config.pbtxt: docs/triton.md shows this table, and a test holds that no field is missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Treatment:
    """`what` is the field's name in model.yaml, or how it is read; for the others the reason, as the rest of a sentence."""

    kind: Literal["honoured", "warned", "refused"]
    what: str


def _honoured(what: str) -> Treatment:
    return Treatment("honoured", what)


def _warned(what: str) -> Treatment:
    return Treatment("warned", what)


def _refused(what: str) -> Treatment:
    return Treatment("refused", what)


_TENSORRT_ONLY = _warned("it is for TensorRT, which does not run here")
_CUDA = _warned("the engine looks after its own memory and streams")

FIELDS: Mapping[str, Treatment] = {
    "name": _honoured("must be the folder's name"),
    "platform": _honoured("`backend`"),
    "backend": _honoured("`backend`"),
    "runtime": _refused("a backend can't be run by another library or script here"),
    "version_policy": _honoured("`versions`"),
    "version_policy.latest": _honoured("`versions.latest`"),
    "version_policy.latest.num_versions": _honoured("`versions.latest`"),
    "version_policy.all": _honoured("`versions: all`"),
    "version_policy.specific": _honoured("`versions.specific`"),
    "version_policy.specific.versions": _honoured("`versions.specific`"),
    "max_batch_size": _honoured("`max_batch_size`"),
    "input": _honoured("`inputs`"),
    "input.name": _honoured("`inputs[].name`"),
    "input.data_type": _honoured("`inputs[].datatype`"),
    "input.format": _warned("it changes nothing: tensors reach the engine as they come"),
    "input.dims": _honoured("`inputs[].shape`"),
    "input.reshape": _refused("give the shape that the engine takes in `dims`, and send it so"),
    "input.is_shape_tensor": _TENSORRT_ONLY,
    "input.allow_ragged_batch": _honoured("`inputs[].ragged`"),
    "input.optional": _honoured("`inputs[].optional`"),
    "input.is_non_linear_format_io": _TENSORRT_ONLY,
    "output": _honoured("`outputs`"),
    "output.name": _honoured("`outputs[].name`"),
    "output.data_type": _honoured("`outputs[].datatype`"),
    "output.dims": _honoured("`outputs[].shape`"),
    "output.reshape": _refused("give the shape that the engine makes in `dims`"),
    "output.label_filename": _honoured("`outputs[].labels`"),
    "output.is_shape_tensor": _TENSORRT_ONLY,
    "output.is_non_linear_format_io": _TENSORRT_ONLY,
    "batch_input": _refused("the batcher makes no inputs of its own"),
    "batch_output": _refused("outputs are cut apart along the batch dimension only"),
    "optimization": _honoured("by its fields"),
    "optimization.graph": _honoured("by its field"),
    "optimization.graph.level": _honoured("`engine.graph_optimization` of `onnx`"),
    "optimization.priority": _warned("all instances have the same priority"),
    "optimization.cuda": _CUDA,
    "optimization.execution_accelerators": _warned("the engine chooses its own provider; see `engine` in the reference"),
    "optimization.input_pinned_memory": _CUDA,
    "optimization.output_pinned_memory": _CUDA,
    "optimization.gather_kernel_buffer_threshold": _CUDA,
    "optimization.eager_batching": _warned("the next batch is always assembled while one runs"),
    "dynamic_batching": _honoured("`batching`; without it `batching.enabled` is false"),
    "dynamic_batching.preferred_batch_size": _honoured("`batching.preferred_sizes`"),
    "dynamic_batching.max_queue_delay_microseconds": _honoured("`batching.max_delay_ms`; 0 never waits"),
    "dynamic_batching.preserve_ordering": _honoured("`batching.preserve_order`"),
    "dynamic_batching.priority_levels": _honoured("`batching.priority_levels`"),
    "dynamic_batching.default_priority_level": _honoured("`batching.default_priority`"),
    "dynamic_batching.default_queue_policy": _honoured("`batching.queue`"),
    "dynamic_batching.default_queue_policy.timeout_action": _honoured("`batching.queue.timeout_action`"),
    "dynamic_batching.default_queue_policy.default_timeout_microseconds": _honoured("`batching.queue.timeout_ms`"),
    "dynamic_batching.default_queue_policy.allow_timeout_override": _honoured("`batching.queue.allow_timeout_override`"),
    "dynamic_batching.default_queue_policy.max_queue_size": _honoured("`batching.queue.max_size`"),
    "dynamic_batching.priority_queue_policy": _honoured("`batching.queues`"),
    "dynamic_batching.priority_queue_policy.timeout_action": _honoured("`batching.queues.*.timeout_action`"),
    "dynamic_batching.priority_queue_policy.default_timeout_microseconds": _honoured("`batching.queues.*.timeout_ms`"),
    "dynamic_batching.priority_queue_policy.allow_timeout_override": _honoured("`batching.queues.*.allow_timeout_override`"),
    "dynamic_batching.priority_queue_policy.max_queue_size": _honoured("`batching.queues.*.max_size`"),
    "sequence_batching": _refused("models that keep a state between requests are not served"),
    "ensemble_scheduling": _honoured("`backend: ensemble`"),
    "ensemble_scheduling.step": _honoured("`engine.steps`"),
    "ensemble_scheduling.step.model_name": _honoured("`engine.steps[].model`"),
    "ensemble_scheduling.step.model_version": _honoured("`engine.steps[].model`, after a colon; -1 and 0 are the latest"),
    "ensemble_scheduling.step.input_map": _honoured("`engine.steps[].inputs`"),
    "ensemble_scheduling.step.output_map": _honoured("`engine.steps[].outputs`"),
    "ensemble_scheduling.step.model_namespace": _refused("there is one repository, in which every name is unique"),
    "ensemble_scheduling.max_inflight_requests": _warned("each model bounds its own queue"),
    "instance_group": _honoured("`instances`"),
    "instance_group.name": _honoured("a label, without effect"),
    "instance_group.count": _honoured("`instances`, summed up"),
    "instance_group.gpus": _honoured("`instances`: as many for each device"),
    "instance_group.kind": _honoured(
        "`KIND_CPU` keeps `onnx` and `torch` from using a GPU; otherwise one is used where there is one"
    ),
    "instance_group.profile": _TENSORRT_ONLY,
    "instance_group.rate_limiter": _warned("instances do not share resources that would have to be counted"),
    "instance_group.passive": _honoured("passive groups are left out of `instances`"),
    "instance_group.secondary_devices": _warned("no backend uses any"),
    "instance_group.host_policy": _warned("there are no host policies"),
    "default_model_filename": _honoured("`source`"),
    "cc_model_filenames": _warned("every device gets the file of `default_model_filename`"),
    "metric_tags": _warned("the metrics have labels of their own"),
    "parameters": _honoured("`parameters`"),
    "parameters.string_value": _honoured("`parameters`"),
    "model_warmup": _honoured("`warmup`"),
    "model_warmup.name": _honoured("`warmup[].name`"),
    "model_warmup.batch_size": _honoured("`warmup[].batch_size`"),
    "model_warmup.inputs": _honoured("`warmup[].shapes` and `warmup[].data`"),
    "model_warmup.inputs.data_type": _honoured("must be the input's"),
    "model_warmup.inputs.dims": _honoured("`warmup[].shapes`"),
    "model_warmup.inputs.zero_data": _honoured("`warmup[].data`: `zeros`"),
    "model_warmup.inputs.random_data": _honoured("`warmup[].data`: `random`"),
    "model_warmup.inputs.input_data_file": _honoured("`warmup[].data`: the file"),
    "model_warmup.count": _honoured("`warmup[].count`"),
    "model_operations": _refused("libraries with operators of their own are not loaded"),
    "model_transaction_policy": _honoured("by its field"),
    "model_transaction_policy.decoupled": _honoured("`decoupled`"),
    "model_repository_agents": _refused("files are used as they are; nothing prepares them"),
    "response_cache": _honoured("by its field"),
    "response_cache.enable": _warned("there is no cache: every request is computed"),
    "model_metrics": _warned("the metrics have buckets of their own"),
}
"""By the field's path, mappings' values standing for their items. What is warned of or refused, is so with all that it holds."""

BACKENDS: Mapping[str, str] = {
    "onnxruntime": "onnx",
    "pytorch": "torch",
    "python": "triton_python",
    "ensemble": "ensemble",
}
"""Our names of Triton's backends."""

PLATFORMS: Mapping[str, str] = {
    "onnxruntime_onnx": "onnx",
    "pytorch_libtorch": "torch",
    "ensemble": "ensemble",
}
"""Our backends by what Triton calls the platform."""

MODEL_FILES: Mapping[str, str] = {"onnx": "model.onnx", "torch": "model.pt", "triton_python": "model.py"}
"""What the model's file in a version folder is called, by our backend."""

FOREIGN_FILES: Mapping[str, str] = {
    "model.plan": "TensorRT",
    "model.graphdef": "TensorFlow",
    "model.savedmodel": "TensorFlow",
    "model.xml": "OpenVINO",
    "model.dali": "DALI",
    "model.netdef": "Caffe2",
}
"""Files of engines that do not run here."""
