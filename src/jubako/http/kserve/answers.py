"""What clients of the Open Inference Protocol get, as it goes out."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from jubako.messages import Parameter, SchedulerStatistics
from jubako.tensors import Datatype

encode = msgspec.json.Encoder().encode


# --- inference --------------------------------------------------------------------------------------------------------------


class OutputAnswer(Struct, omit_defaults=True):
    """One output. Its contents are in `data`, flat, or where its parameters say."""

    name: str
    datatype: Datatype
    shape: list[int]
    parameters: dict[str, Parameter] = {}
    data: Any | None = None


class InferAnswer(Struct, omit_defaults=True):
    """Answer of POST /v2/models/{model}/infer, or its beginning where tensors follow as bytes."""

    model_name: str
    model_version: str
    outputs: list[OutputAnswer]
    id: str | None = None
    parameters: dict[str, Parameter] = {}


# --- the server and its models ----------------------------------------------------------------------------------------------


class Live(Struct, frozen=True):
    """Answer of GET /v2/health/live."""

    live: bool


class Ready(Struct, frozen=True):
    """Answer of GET /v2/health/ready; where it is false, with status 503."""

    ready: bool


class ModelReady(Struct, frozen=True):
    """Answer of GET /v2/models/{model}/ready; where it is false, with status 503 and the reason."""

    name: str
    ready: bool
    reason: str | None = None


class ServerMetadata(Struct, frozen=True):
    """Answer of GET /v2."""

    name: str
    version: str
    extensions: list[str]


class TensorMetadata(Struct, frozen=True):
    """An input or an output. The batch dimension, where there is one, is in the shape; -1 is any length."""

    name: str
    datatype: Datatype
    shape: list[int]


class ModelMetadata(Struct, frozen=True):
    """Answer of GET /v2/models/{model}. `versions` are those that can be asked."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class IndexedVersion(Struct, frozen=True):
    """One version in the answer of POST /v2/repository/index. `reason` says why the state is not READY."""

    name: str
    version: str
    state: str
    reason: str


class AliasAnswer(Struct, frozen=True):
    """Answer of POST /v2/repository/models/{model}/aliases/{alias}: what the alias means from now on."""

    model: str
    alias: str
    version: int


class RegionStatus(Struct, frozen=True):
    """A region of shared memory that is registered."""

    name: str
    key: str
    offset: int
    byte_size: int


# --- statistics -------------------------------------------------------------------------------------------------------------


class DurationAnswer(Struct, frozen=True):
    """How often, and how long together, in nanoseconds."""

    count: int
    ns: int


class InferStatistics(Struct, frozen=True):
    """`queue` to `compute_output` are the parts of `success`, each counted once a request."""

    success: DurationAnswer
    fail: DurationAnswer
    queue: DurationAnswer
    compute_input: DurationAnswer
    compute_infer: DurationAnswer
    compute_output: DurationAnswer
    cache_hit: DurationAnswer = DurationAnswer(0, 0)
    cache_miss: DurationAnswer = DurationAnswer(0, 0)


class BatchSizeStatistics(Struct, frozen=True):
    batch_size: int
    compute_input: DurationAnswer
    compute_infer: DurationAnswer
    compute_output: DurationAnswer


class ModelStatistics(Struct, frozen=True, omit_defaults=True):
    """What a version has done since it was loaded. `last_inference` is in milliseconds since 1970.

    `scheduler` is jubako's own: what its batcher believes and did.
    """

    name: str
    version: str
    last_inference: int
    inference_count: int
    execution_count: int
    inference_stats: InferStatistics
    batch_stats: list[BatchSizeStatistics]
    scheduler: SchedulerStatistics | None = None


class StatisticsAnswer(Struct, frozen=True):
    """Answer of GET /v2/models/{model}/stats."""

    model_stats: list[ModelStatistics]


class TensorConfiguration(Struct, frozen=True):
    """`dims` are without the batch dimension."""

    name: str
    data_type: str
    dims: list[int]


class TransactionPolicy(Struct, frozen=True):
    decoupled: bool


class ModelConfiguration(Struct, frozen=True):
    """Answer of GET .../config, of which these are the fields that every model has."""

    name: str
    platform: str
    backend: str
    max_batch_size: int
    input: list[TensorConfiguration]
    output: list[TensorConfiguration]
    model_transaction_policy: TransactionPolicy
