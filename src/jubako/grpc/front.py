"""The gRPC server of a gateway process: every service over one data plane."""

from __future__ import annotations

from jubako.access.guard import Guard
from jubako.dataplane.protocol import Plane
from jubako.grpc import health, reflection
from jubako.grpc.access_log import AccessLog
from jubako.grpc.health import Changed, Health
from jubako.grpc.inference.methods import SERVICE, methods
from jubako.grpc.reflection import Reflection
from jubako.grpc.transport.server import Limits, Server
from jubako.grpc.v1 import methods as v1
from jubako.identifiers import fresh_id
from jubako.kserve.trace import Tracing
from jubako.protos.pool import POOL
from jubako.settings import Settings


def grpc_server(plane: Plane, settings: Settings, changed: Changed, tracing: Tracing, guard: Guard | None) -> Server:
    """The server, not yet started.

    Args:
        settings: The fields of gRPC, `access_log` and `log_format` are used.
        changed: Returns when the models or the server's readiness have changed.
        tracing: The trace settings, which HTTP shares.
        guard: Asks for keys, as for HTTP; None: nobody is asked for one.
    """
    own = [SERVICE, *v1.SERVICES]
    table = [
        *methods(plane, tracing),
        *v1.methods(plane),
        *Health(plane, own, changed).methods(),
        *Reflection(POOL, [*own, health.SERVICE, reflection.SERVICE]).methods(),
    ]
    limits = Limits(
        max_message_bytes=settings.grpc_max_message_bytes,
        max_concurrent_streams=settings.grpc_max_concurrent_streams,
        keepalive_s=settings.grpc_keepalive_s,
        keepalive_timeout_s=settings.grpc_keepalive_timeout_s,
    )
    return Server({method.path: method for method in table}, limits, fresh_id, AccessLog(settings).add, guard)
