"""``grpc.health.v1.Health``: the server as /readyz says it, and each model by its names."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from jubako.access.scope import OPEN
from jubako.dataplane.protocol import Plane
from jubako.errors import ModelNotFound, ModelNotReady, NotFound
from jubako.grpc.translation import parsed, unary
from jubako.grpc.transport.call import Call, Method
from jubako.protos import health as pb
from jubako.tensors import Buffer

SERVICE: Final = "grpc.health.v1.Health"

Changed = Callable[[], Awaitable[None]]
"""Returns when something about the models, or the server, has changed."""


class Health:
    """Both methods.

    Args:
        services: Full names of the server's services, which are as ready as the server.
    """

    def __init__(self, plane: Plane, services: list[str], changed: Changed) -> None:
        self._plane = plane
        self._services = {"", *services}
        self._changed = changed

    def methods(self) -> list[Method]:
        return [
            unary(f"/{SERVICE}/Check", pb.HealthCheckRequest, self._check, self._plane, OPEN, probe=True),
            Method(f"/{SERVICE}/Watch", OPEN, streaming=self._watch, probe=True),
        ]

    async def _check(self, request: pb.HealthCheckRequest, plane: Plane, call: Call) -> pb.HealthCheckResponse:
        state = self._state(request.service)
        if state == pb.HealthCheckResponse.SERVICE_UNKNOWN:
            raise NotFound(f"There is no service and no model {request.service!r}.")
        return pb.HealthCheckResponse(status=state)

    async def _watch(self, call: Call) -> None:
        service = parsed(pb.HealthCheckRequest, await call.message()).service
        async with asyncio.TaskGroup() as group:
            reporting = group.create_task(self._report(service, call))
            await call.dismissal()
            reporting.cancel()
        await call.send(_state_message(pb.HealthCheckResponse.NOT_SERVING))

    async def _report(self, service: str, call: Call) -> None:
        said = None
        while True:
            state = self._state(service)
            if state != said:
                await call.send(_state_message(state))
                said = state
            else:
                await self._changed()

    def _state(self, service: str) -> pb.HealthCheckResponse.ServingStatus:
        if service in self._services:
            return _serving(self._plane.ready())
        try:
            return _serving(self._plane.model(service).state == "READY")
        except ModelNotFound:
            return pb.HealthCheckResponse.SERVICE_UNKNOWN
        except ModelNotReady:
            return pb.HealthCheckResponse.NOT_SERVING


def _state_message(state: pb.HealthCheckResponse.ServingStatus) -> list[Buffer]:
    return [pb.HealthCheckResponse(status=state).SerializeToString()]


def _serving(is_ready: bool) -> pb.HealthCheckResponse.ServingStatus:
    return pb.HealthCheckResponse.SERVING if is_ready else pb.HealthCheckResponse.NOT_SERVING
