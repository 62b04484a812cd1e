"""GET /v2/models/...: which version a path means, and what there is to say of it."""

from __future__ import annotations

import asyncio

from jubako.dataplane.protocol import Plane
from jubako.errors import JubakoError
from jubako.http.exchange import Exchange
from jubako.http.kserve.answers import (
    BatchSizeStatistics,
    DurationAnswer,
    InferStatistics,
    ModelMetadata,
    ModelReady,
    ModelStatistics,
    StatisticsAnswer,
    TensorMetadata,
    encode,
)
from jubako.kserve.configuration import configuration
from jubako.messages import Duration, StatisticsResult, VersionStatus
from jubako.model_names import name_of
from jubako.tensors import Signature, TensorSpec


def asked_name(exchange: Exchange) -> str:
    """The name that the path asks for: ``model``, ``model:version`` or ``model@alias``."""
    names = exchange.names
    version = names.get("version")
    return names["model"] if version is None else name_of(names["model"], version)


def find(exchange: Exchange, plane: Plane) -> VersionStatus:
    """The version that the path means; the exchange's log line will name its model.

    Raises:
        ModelNotFound: no model has that name, or it has no such version or alias; the message says which there are.
    """
    status = plane.model(asked_name(exchange))
    exchange.model = status.model
    return status


async def metadata(exchange: Exchange, plane: Plane) -> None:
    status = find(exchange, plane)
    signature = plane.signature(status)
    await exchange.answer(
        encode(
            ModelMetadata(
                name=exchange.names["model"],
                versions=_ready_versions(plane, status),
                platform=signature.platform or status.backend,
                inputs=[_tensor(spec, signature) for spec in signature.inputs],
                outputs=[_tensor(spec, signature) for spec in signature.outputs],
            )
        )
    )


async def ready(exchange: Exchange, plane: Plane) -> None:
    """200 while the version can be asked, else 503."""
    exchange.is_probe = True
    status = find(exchange, plane)
    can = status.state == "READY"
    reason = None if can else status.reason or f"it is {status.state.lower()}"
    await exchange.answer(encode(ModelReady(exchange.names["model"], can, reason)), status=200 if can else 503)


async def config(exchange: Exchange, plane: Plane) -> None:
    await exchange.answer(configuration(find(exchange, plane)).encode())


async def statistics(exchange: Exchange, plane: Plane) -> None:
    exchange.is_probe = True
    status = find(exchange, plane)
    await exchange.answer(encode(StatisticsAnswer([_statistics(status, await plane.statistics(asked_name(exchange)))])))


async def all_statistics(exchange: Exchange, plane: Plane) -> None:
    """Those of every version that can be asked."""
    exchange.is_probe = True
    versions = [status for status in plane.index() if status.state == "READY"]
    results = await asyncio.gather(*(_statistics_or_none(plane, status) for status in versions))
    found = [_statistics(status, result) for status, result in zip(versions, results, strict=True) if result is not None]
    await exchange.answer(encode(StatisticsAnswer(found)))


async def _statistics_or_none(plane: Plane, status: VersionStatus) -> StatisticsResult | None:
    try:
        return await plane.statistics(f"{status.model}:{status.version}")
    except JubakoError:
        return None  # It was unloaded, or died, since we looked.


def _statistics(status: VersionStatus, result: StatisticsResult) -> ModelStatistics:
    return ModelStatistics(
        name=status.model,
        version=str(status.version),
        last_inference=result.last_inference_ms,
        inference_count=result.inferences,
        execution_count=result.executions,
        inference_stats=InferStatistics(
            success=_duration(result.success),
            fail=_duration(result.fail),
            queue=_duration(result.queue),
            compute_input=_duration(result.compute_input),
            compute_infer=_duration(result.compute_infer),
            compute_output=_duration(result.compute_output),
        ),
        batch_stats=[
            BatchSizeStatistics(
                batch.batch_size, _duration(batch.compute_input), _duration(batch.compute_infer), _duration(batch.compute_output)
            )
            for batch in result.batches
        ],
        scheduler=result.scheduler,
    )


def _duration(duration: Duration) -> DurationAnswer:
    return DurationAnswer(duration.count, duration.ns)


def _tensor(spec: TensorSpec, signature: Signature) -> TensorMetadata:
    return TensorMetadata(spec.name, spec.datatype, [-1, *spec.shape] if signature.max_batch_size > 0 else spec.shape)


def _versions(plane: Plane, status: VersionStatus) -> list[VersionStatus]:
    return sorted((known for known in plane.index() if known.model == status.model), key=lambda known: known.version)


def _ready_versions(plane: Plane, status: VersionStatus) -> list[str]:
    return [str(known.version) for known in _versions(plane, status) if known.state == "READY"]
