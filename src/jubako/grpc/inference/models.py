"""What there is to say of a model: readiness, metadata, configuration, statistics."""

from __future__ import annotations

import asyncio

from google.protobuf import json_format

from jubako.dataplane.limits import MAX_NAME
from jubako.dataplane.protocol import Plane
from jubako.errors import InvalidRequest, JubakoError, ModelNotFound
from jubako.grpc.transport.call import Call
from jubako.kserve.configuration import configuration
from jubako.messages import BatchStatistics, Duration, StatisticsResult, VersionStatus
from jubako.model_names import name_of
from jubako.protos import inference as pb
from jubako.tensors import Signature, TensorSpec


def find(plane: Plane, name: str, version: str, call: Call) -> VersionStatus:
    """The version that two fields mean, the second a number or an alias; the call's log line will name its model.

    Raises:
        InvalidRequest: it is longer than a name is.
        ModelNotFound: no model has that name, or it has no such version or alias; the message says which there are.
    """
    require_short(name + version)
    call.asked = name_of(name, version) if version else name
    status = plane.model(call.asked)
    call.model = status.model
    return status


def require_short(name: str) -> None:
    """
    Raises:
        InvalidRequest: no model has so long a name.
    """
    if len(name) > MAX_NAME:
        raise InvalidRequest(f"The name of a model has at most {MAX_NAME} characters; {len(name)} came.", param="model_name")


async def model_ready(request: pb.ModelReadyRequest, plane: Plane, call: Call) -> pb.ModelReadyResponse:
    try:
        status = find(plane, request.name, request.version, call)
    except ModelNotFound:
        return pb.ModelReadyResponse(ready=False)
    return pb.ModelReadyResponse(ready=status.state == "READY")


async def model_metadata(request: pb.ModelMetadataRequest, plane: Plane, call: Call) -> pb.ModelMetadataResponse:
    status = find(plane, request.name, request.version, call)
    signature = plane.signature(status)
    return pb.ModelMetadataResponse(
        name=request.name,
        versions=[str(known.version) for known in _versions(plane, status.model) if known.state == "READY"],
        platform=signature.platform or status.backend,
        inputs=[_tensor(spec, signature) for spec in signature.inputs],
        outputs=[_tensor(spec, signature) for spec in signature.outputs],
    )


async def model_config(request: pb.ModelConfigRequest, plane: Plane, call: Call) -> pb.ModelConfigResponse:
    text = configuration(find(plane, request.name, request.version, call))
    response = pb.ModelConfigResponse()
    json_format.Parse(text, response.config, ignore_unknown_fields=True)
    return response


async def model_statistics(request: pb.ModelStatisticsRequest, plane: Plane, call: Call) -> pb.ModelStatisticsResponse:
    """Those of one version, or of every version that can be asked."""
    if request.name:
        status = find(plane, request.name, request.version, call)
        result = await plane.statistics(f"{status.model}:{status.version}")
        return pb.ModelStatisticsResponse(model_stats=[_statistics(status, result)])
    versions = [status for status in plane.index() if status.state == "READY"]
    results = await asyncio.gather(*(_statistics_or_none(plane, status) for status in versions))
    found = [_statistics(status, result) for status, result in zip(versions, results, strict=True) if result is not None]
    return pb.ModelStatisticsResponse(model_stats=found)


def _versions(plane: Plane, model: str) -> list[VersionStatus]:
    return sorted((status for status in plane.index() if status.model == model), key=lambda status: status.version)


def _tensor(spec: TensorSpec, signature: Signature) -> pb.ModelMetadataResponse.TensorMetadata:
    shape = [-1, *spec.shape] if signature.max_batch_size > 0 else spec.shape
    return pb.ModelMetadataResponse.TensorMetadata(name=spec.name, datatype=spec.datatype, shape=shape)


async def _statistics_or_none(plane: Plane, status: VersionStatus) -> StatisticsResult | None:
    try:
        return await plane.statistics(f"{status.model}:{status.version}")
    except JubakoError:
        return None  # It was unloaded, or died, since we looked.


def _statistics(status: VersionStatus, result: StatisticsResult) -> pb.ModelStatistics:
    return pb.ModelStatistics(
        name=status.model,
        version=str(status.version),
        last_inference=result.last_inference_ms,
        inference_count=result.inferences,
        execution_count=result.executions,
        inference_stats=pb.InferStatistics(
            success=_duration(result.success),
            fail=_duration(result.fail),
            queue=_duration(result.queue),
            compute_input=_duration(result.compute_input),
            compute_infer=_duration(result.compute_infer),
            compute_output=_duration(result.compute_output),
            cache_hit=_duration(Duration()),
            cache_miss=_duration(Duration()),
        ),
        batch_stats=[_batch(batch) for batch in result.batches],
    )


def _batch(batch: BatchStatistics) -> pb.InferBatchStatistics:
    return pb.InferBatchStatistics(
        batch_size=batch.batch_size,
        compute_input=_duration(batch.compute_input),
        compute_infer=_duration(batch.compute_infer),
        compute_output=_duration(batch.compute_output),
    )


def _duration(duration: Duration) -> pb.StatisticDuration:
    return pb.StatisticDuration(count=duration.count, ns=duration.ns)
