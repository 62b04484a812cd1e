"""From how a call of gRPC ended to the error that it means."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import DecodeError, Message

from jubako_client import errors
from jubako_client._protos import rpc as pb
from jubako_client.errors import JubakoError

if TYPE_CHECKING:
    from google.protobuf.any_pb2 import Any as Packed

M = TypeVar("M", bound=Message)

DETAILS: Final = "grpc-status-details-bin"
"""The trailer of a google.rpc.Status."""


def _kinds(root: type[JubakoError]) -> Iterator[tuple[str, type[JubakoError]]]:
    for kind in root.__subclasses__():
        if kind.reason is not None:
            yield kind.reason, kind
        yield from _kinds(kind)


_BY_REASON: Final = dict(_kinds(JubakoError))

_BY_STATUS: Final[dict[str, type[JubakoError]]] = {
    "CANCELLED": errors.Cancelled,
    "DEADLINE_EXCEEDED": errors.DeadlineExceeded,
    "FAILED_PRECONDITION": errors.ModelFailed,
    "INVALID_ARGUMENT": errors.InvalidRequest,
    "NOT_FOUND": errors.NotFound,
    "OUT_OF_RANGE": errors.InvalidRequest,
    "PERMISSION_DENIED": errors.Forbidden,
    "UNAUTHENTICATED": errors.Unauthorized,
    "UNAVAILABLE": errors.Unreachable,
    "UNIMPLEMENTED": errors.Unsupported,
}
"""What a status means where no reason says more."""


def failure(error: grpc.RpcError, request_id: str) -> JubakoError:
    """The error that `error` means, with what the server's details say."""
    assert isinstance(error, (grpc.Call, grpc.aio.AioRpcError))
    status = error.code().name
    said = error.details() or ""
    details = _details(error)
    info = _first(details, "ErrorInfo", pb.ErrorInfo)
    retry = _first(details, "RetryInfo", pb.RetryInfo)
    bad = _first(details, "BadRequest", pb.BadRequest)
    retry_after_s = retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9 if retry is not None else None
    reason = info.reason if info is not None else None
    kind = _BY_REASON.get(reason or "") or _kind(status, said, retry_after_s)
    return kind(
        said or f"The call ended with {status}.",
        code=reason,
        status=status,
        param=bad.field_violations[0].field if bad is not None and bad.field_violations else None,
        retry_after_s=retry_after_s,
        request_id=request_id,
    )


def _kind(status: str, said: str, retry_after_s: float | None) -> type[JubakoError]:
    if status == "RESOURCE_EXHAUSTED":
        # gRPC's own libraries end calls so, whose messages are larger than they may be.
        too_large = retry_after_s is None and "larger than" in said
        return errors.PayloadTooLarge if too_large else errors.Overloaded
    return _BY_STATUS.get(status, errors.InternalError)


def _details(error: grpc.Call | grpc.aio.AioRpcError) -> list[Packed]:
    for name, value in error.trailing_metadata() or ():
        if name == DETAILS and isinstance(value, bytes):
            try:
                return list(pb.Status.FromString(value).details)
            except DecodeError:
                return []
    return []


def _first(details: list[Packed], name: str, kind: type[M]) -> M | None:
    for detail in details:
        if detail.type_url.rpartition(".")[2] == name:
            return kind.FromString(detail.value)
    return None
