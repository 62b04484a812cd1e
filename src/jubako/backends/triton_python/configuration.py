"""The model's configuration as its code sees it, and completes it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from jubako.backends.base import ModelSpec
from jubako.backends.triton_python.errors import TritonModelException
from jubako.backends.triton_python.tensors import datatype_named
from jubako.errors import ConfigurationError
from jubako.tensors import Signature, TensorSpec

Fields: TypeAlias = dict[str, Any]
"""``inference.ModelConfig`` as JSON gives it."""


class ModelConfig:
    """What ``auto_complete_config`` of a model gets, completes and returns."""

    def __init__(self, fields: Fields) -> None:
        self._fields = fields

    def as_dict(self) -> Fields:
        return self._fields

    def set_max_batch_size(self, max_batch_size: int) -> None:
        if self._fields.get("max_batch_size", 0) > max_batch_size:
            raise ValueError(
                f"max_batch_size is {self._fields['max_batch_size']} in the configuration; the model takes only {max_batch_size}."
            )
        self._fields["max_batch_size"] = max_batch_size

    def set_dynamic_batching(self) -> None:
        self._fields.setdefault("dynamic_batching", {})

    def set_model_transaction_policy(self, transaction_policy_dict: Mapping[str, bool]) -> None:
        unknown = transaction_policy_dict.keys() - {"decoupled"}
        if unknown:
            raise ValueError(f"The transaction policy has {', '.join(sorted(unknown))}; there is only `decoupled`.")
        self._fields["model_transaction_policy"] = {"decoupled": bool(transaction_policy_dict.get("decoupled", False))}

    def add_input(self, input: Fields) -> None:  # noqa: A002 - Triton's name
        self._add("input", input)

    def add_output(self, output: Fields) -> None:
        self._add("output", output)

    def _add(self, kind: str, tensor: Fields) -> None:
        """Add an input or output; what the configuration says of one that it has already must be the same."""
        for field in ("name", "data_type", "dims"):
            if field not in tensor:
                raise ValueError(f"An {kind} needs `{field}`; {tensor} has none.")
        known: list[Fields] = self._fields.setdefault(kind, [])
        same = next((each for each in known if each["name"] == tensor["name"]), None)
        if same is None:
            known.append(dict(tensor))
            return
        for field in ("data_type", "dims"):
            if same.get(field) in (None, [], "TYPE_INVALID"):
                same[field] = tensor[field]
            elif same[field] != tensor[field]:
                raise ValueError(
                    f"The {kind} {tensor['name']!r} has {field} {same[field]} in the configuration, {tensor[field]} in the model."
                )


def configuration(spec: ModelSpec, complete: Callable[[ModelConfig], ModelConfig | None] | None) -> Fields:
    """The configuration of the entry, completed by the model's ``auto_complete_config`` if it has one.

    Raises:
        ConfigurationError: the two disagree.
    """
    fields: Fields = json.loads(spec.config) if spec.config else {}
    fields.setdefault("name", spec.model)
    fields.setdefault("max_batch_size", spec.max_batch_size or 0)
    fields.setdefault("input", [_shown(each) for each in spec.inputs])
    fields.setdefault("output", [_shown(each) for each in spec.outputs])
    fields.setdefault("parameters", {name: {"string_value": str(value)} for name, value in spec.parameters.items()})
    fields.setdefault("model_transaction_policy", {"decoupled": spec.decoupled})
    if complete is None:
        return fields
    try:
        completed = complete(ModelConfig(fields))
    except (ValueError, TritonModelException) as error:
        raise ConfigurationError(f"auto_complete_config of the model: {error}") from error
    if not isinstance(completed, ModelConfig):
        raise ConfigurationError("auto_complete_config of the model must return the configuration that it was given.")
    return completed.as_dict()


def signature(fields: Fields, spec: ModelSpec) -> Signature:
    """What the model takes and gives by its whole configuration.

    Raises:
        ConfigurationError: it does not say that.
    """
    labels = {each.name: each.labels for each in spec.outputs}
    for kind in ("input", "output"):
        if not fields.get(kind):
            raise ConfigurationError(
                f"The configuration names no {kind}: write it into config.pbtxt, or add it in auto_complete_config of the model."
            )
    return Signature(
        inputs=[_tensor(each, []) for each in fields["input"]],
        outputs=[_tensor(each, labels.get(each["name"], [])) for each in fields["output"]],
        max_batch_size=fields["max_batch_size"],
        decoupled=using_decoupled_model_transaction_policy(fields),
        platform="python",
    )


def get_input_config_by_name(model_config: Fields, name: str) -> Fields | None:
    return next((each for each in model_config.get("input", []) if each["name"] == name), None)


def get_output_config_by_name(model_config: Fields, name: str) -> Fields | None:
    return next((each for each in model_config.get("output", []) if each["name"] == name), None)


def using_decoupled_model_transaction_policy(model_config: Fields) -> bool:
    policy = model_config.get("model_transaction_policy") or {}
    return bool(policy.get("decoupled", False))


def _tensor(fields: Fields, labels: list[str]) -> TensorSpec:
    return TensorSpec(
        name=fields["name"],
        datatype=datatype_named(fields["data_type"]),
        shape=[int(size) for size in fields["dims"]],
        optional=bool(fields.get("optional", False)),
        ragged=bool(fields.get("allow_ragged_batch", False)),
        labels=labels,
    )


def _shown(spec: TensorSpec) -> Fields:
    datatype = "STRING" if spec.datatype == "BYTES" else spec.datatype
    return {"name": spec.name, "data_type": f"TYPE_{datatype}", "dims": list(spec.shape), "optional": spec.optional}
