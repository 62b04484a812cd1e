"""An entry as KServe's model configuration extension shows it: Triton's ``inference.ModelConfig``, as JSON.

The extension: https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_model_configuration.md
"""

from __future__ import annotations

import json
from typing import Any, Final, cast

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from jubako.protos import inference
from jubako.repository.config import BatchingConfig, ModelConfig, QueueConfig, TensorConfig, WarmupConfig
from jubako.tensors import Datatype, Signature

PLATFORMS: Final = {"onnx": "onnxruntime_onnx", "torch": "pytorch_libtorch", "ensemble": "ensemble"}
"""What Triton calls the platform of our backends; of others it is empty."""

BACKENDS: Final = {"onnx": "onnxruntime", "torch": "pytorch", "triton_python": "python"}
"""What Triton calls our backends; others keep their names."""

_INTEGERS: Final = (FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT64)
_MICROSECONDS_IN_MS: Final = 1000


def configuration_of(name: str, config: ModelConfig, given: inference.ModelConfig) -> inference.ModelConfig:
    """The whole configuration of an entry.

    Args:
        given: The entry's own config.pbtxt, of which every field is kept; empty where it has none.
    """
    shown = inference.ModelConfig()
    shown.CopyFrom(given)
    shown.name = name
    shown.backend = BACKENDS.get(config.backend, "" if config.backend == "ensemble" else config.backend)
    shown.platform = PLATFORMS.get(config.backend, "")
    if not given.ByteSize():
        _say(config, shown)
    if shown.version_policy.WhichOneof("policy_choice") is None:
        shown.version_policy.latest.num_versions = 1
    if not shown.instance_group:
        shown.instance_group.add(name=name, count=config.instances, kind=inference.ModelInstanceGroup.KIND_AUTO)
    return shown


def shown_configuration(config: inference.ModelConfig) -> str:
    """`config` as JSON: every field under its own name, defaults written out, whole numbers as numbers."""
    fields = json_format.MessageToDict(config, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    return json.dumps(_with_numbers(fields, cast(Descriptor, config.DESCRIPTOR)))


def completed_configuration(shown: str, signature: Signature) -> str:
    """What :func:`shown_configuration` made, with what only the loaded model tells: the tensors that the entry leaves out, the
    size of a batch, and whether it is decoupled."""
    config = json_format.Parse(shown, inference.ModelConfig())
    if not config.input:
        for spec in signature.inputs:
            config.input.add(
                name=spec.name,
                data_type=datatype_number(spec.datatype),
                dims=spec.shape,
                optional=spec.optional,
                allow_ragged_batch=spec.ragged,
            )
    if not config.output:
        for spec in signature.outputs:
            config.output.add(name=spec.name, data_type=datatype_number(spec.datatype), dims=spec.shape)
    config.max_batch_size = signature.max_batch_size
    config.platform = config.platform or signature.platform
    config.model_transaction_policy.decoupled = signature.decoupled
    return shown_configuration(config)


def datatype_number(datatype: Datatype) -> inference.DataType:
    """The number of a datatype in ``inference.DataType``."""
    number = inference.DataType.Value("TYPE_STRING" if datatype == "BYTES" else f"TYPE_{datatype}")
    return cast(inference.DataType, number)


def _say(config: ModelConfig, shown: inference.ModelConfig) -> None:
    shown.max_batch_size = config.max_batch_size or 0
    policy = config.versions
    if policy.all:
        shown.version_policy.all.SetInParent()
    elif policy.specific:
        shown.version_policy.specific.versions.extend(policy.specific)
    else:
        shown.version_policy.latest.num_versions = policy.latest or 1
    for tensor in config.inputs:
        shown.input.add(
            name=tensor.name,
            data_type=datatype_number(tensor.datatype),
            dims=tensor.shape,
            optional=tensor.optional,
            allow_ragged_batch=tensor.ragged,
        )
    for tensor in config.outputs:
        shown.output.add(
            name=tensor.name, data_type=datatype_number(tensor.datatype), dims=tensor.shape, label_filename=_file(tensor)
        )
    if config.backend == "ensemble":
        _say_steps(config.engine.get("steps"), shown.ensemble_scheduling)
    elif config.batching.enabled and config.max_batch_size != 0:
        _say_batching(config.batching, shown.dynamic_batching)
    for warmup in config.warmup:
        _say_warmup(warmup, config, shown.model_warmup.add())
    for key, value in config.parameters.items():
        shown.parameters[key].string_value = str(value).lower() if isinstance(value, bool) else str(value)
    shown.model_transaction_policy.decoupled = config.decoupled


def _file(tensor: TensorConfig) -> str:
    return tensor.labels if isinstance(tensor.labels, str) else ""


def _say_steps(steps: Any, shown: inference.ModelEnsembling) -> None:
    for step in steps if isinstance(steps, list) else []:
        if not isinstance(step, dict):
            continue  # the engine's parameters are checked elsewhere
        said = shown.step.add(model_name=str(step.get("model", "")), model_version=_version(step.get("version")))
        for ours, theirs in (("inputs", said.input_map), ("outputs", said.output_map)):
            tensors = step.get(ours)
            if isinstance(tensors, dict):
                theirs.update({str(key): str(value) for key, value in tensors.items()})


def _version(said: Any) -> int:
    return said if isinstance(said, int) and 0 < said < 2**63 else -1


def _say_batching(batching: BatchingConfig, shown: inference.ModelDynamicBatching) -> None:
    shown.preferred_batch_size.extend(batching.preferred_sizes)
    shown.max_queue_delay_microseconds = int((batching.max_delay_ms or 0) * _MICROSECONDS_IN_MS)
    shown.preserve_ordering = batching.preserve_order
    shown.priority_levels = batching.priority_levels
    shown.default_priority_level = batching.default_priority
    _say_queue(batching.queue, shown.default_queue_policy)
    for level, queue in batching.queues.items():
        _say_queue(queue, shown.priority_queue_policy[level])


def _say_queue(queue: QueueConfig, shown: inference.ModelQueuePolicy) -> None:
    policy = inference.ModelQueuePolicy
    shown.timeout_action = policy.DELAY if queue.timeout_action == "delay" else policy.REJECT
    shown.default_timeout_microseconds = int((queue.timeout_ms or 0) * _MICROSECONDS_IN_MS)
    shown.allow_timeout_override = queue.allow_timeout_override
    shown.max_queue_size = queue.max_size or 0


def _say_warmup(warmup: WarmupConfig, config: ModelConfig, shown: inference.ModelWarmup) -> None:
    shown.name = warmup.name
    shown.batch_size = warmup.batch_size
    shown.count = warmup.count
    for tensor in config.inputs:
        said = shown.inputs[tensor.name]
        said.data_type = datatype_number(tensor.datatype)
        said.dims.extend(warmup.shapes.get(tensor.name, [1 if size < 0 else size for size in tensor.shape]))
        data = warmup.data.get(tensor.name, "zeros")
        if data == "zeros":
            said.zero_data = True
        elif data == "random":
            said.random_data = True
        else:
            said.input_data_file = data


def _with_numbers(value: Any, descriptor: Descriptor) -> Any:
    """`value` with 64-bit numbers as such: protobuf writes them as text, and Triton does not."""
    if not isinstance(value, dict):
        return value
    return {name: _field_with_numbers(inner, descriptor.fields_by_name[name]) for name, inner in value.items()}


def _field_with_numbers(value: Any, field: FieldDescriptor) -> Any:
    held = field.message_type
    if held is not None and held.GetOptions().map_entry:
        item = held.fields_by_name["value"]
        return {key: _field_with_numbers(inner, item) for key, inner in value.items()}
    if isinstance(value, list):
        return [_field_with_numbers(inner, field) for inner in value]
    if held is not None:
        return _with_numbers(value, held)
    return int(value) if field.cpp_type in _INTEGERS else value
