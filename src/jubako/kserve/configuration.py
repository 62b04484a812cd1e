"""The model configuration extension, for entries that have none of their own: what their signature says.

https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_model_configuration.md
"""

from __future__ import annotations

from msgspec import Struct

from jubako.messages import VersionStatus
from jubako.tensors import Datatype, Signature, TensorSpec


class TensorConfiguration(Struct, frozen=True):
    """`dims` are without the batch dimension."""

    name: str
    data_type: str
    dims: list[int]


class TransactionPolicy(Struct, frozen=True):
    decoupled: bool


class ModelConfiguration(Struct, frozen=True):
    """The fields of ``inference.ModelConfig`` that every model has."""

    name: str
    platform: str
    backend: str
    max_batch_size: int
    input: list[TensorConfiguration]
    output: list[TensorConfiguration]
    model_transaction_policy: TransactionPolicy


def configuration(status: VersionStatus, signature: Signature) -> ModelConfiguration:
    return ModelConfiguration(
        name=status.model,
        platform=signature.platform,
        backend=status.backend,
        max_batch_size=signature.max_batch_size,
        input=[_tensor(spec) for spec in signature.inputs],
        output=[_tensor(spec) for spec in signature.outputs],
        model_transaction_policy=TransactionPolicy(signature.decoupled),
    )


def _tensor(spec: TensorSpec) -> TensorConfiguration:
    return TensorConfiguration(spec.name, _data_type(spec.datatype), spec.shape)


def _data_type(datatype: Datatype) -> str:
    return "TYPE_STRING" if datatype == "BYTES" else f"TYPE_{datatype}"
