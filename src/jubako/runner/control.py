"""The control plane: a small application that owns the supervisor. No request for a model passes through it.

==============  =====================================================================
``/watch``      GET: snapshots as JSON, one a line: one at once, one after each change
``/snapshot``   one snapshot
``/livez``      200 while the process answers
``/readyz``     200 once every version that is loaded at the start is ready or given up; 503 before, and while draining
``/load``       POST {"model": name}: read the entry again and serve it, with what it needs; answered when done
``/unload``     POST {"model": name}: serve it no longer; answered when its processes are gone
``/alias``      POST {"model": name, "alias": alias, "version": number}, or null for no version; answered when it is so
``/register``   POST a :class:`jubako.messages.SharedRegion`
``/unregister`` POST {"name": name}, or {"name": null} for all regions
==============  =====================================================================

What is posted is answered with an :class:`jubako.runner.orders.Outcome`, and the status of its error where it has one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from jubako.errors import InvalidRequest, JubakoError
from jubako.messages import SharedRegion
from jubako.process import on_termination
from jubako.runner.deployments import Planner
from jubako.runner.orders import AliasOrder, ModelOrder, Outcome, RegionOrder
from jubako.runner.supervisor import Supervisor
from jubako.settings import Settings

log = logging.getLogger(__name__)

Order = TypeVar("Order", bound=msgspec.Struct)

DRAIN_S = 5.0
"""Time for instances to leave once no gateway needs them."""


def control_application(settings: Settings) -> Starlette:
    """The runner of the repository that `settings` name, as an ASGI application for a Unix socket."""

    def supervisor() -> Supervisor:
        planner = Planner(settings.repository, settings.cache_dir)
        return Supervisor(planner.read_all(settings.load), read=planner.read, keep_alias=planner.keep_alias)

    return application(supervisor, settings.grace_period_s)


def application(make_supervisor: Callable[[], Supervisor], grace_period_s: float) -> Starlette:
    """The control plane of the supervisor that `make_supervisor` makes when the server starts."""
    control = ControlPlane(make_supervisor, grace_period_s)
    return Starlette(
        routes=[
            Route("/watch", control.watch),
            Route("/snapshot", control.snapshot),
            Route("/livez", control.livez),
            Route("/readyz", control.readyz),
            Route("/load", control.load, methods=["POST"]),
            Route("/unload", control.unload, methods=["POST"]),
            Route("/alias", control.alias, methods=["POST"]),
            Route("/register", control.register, methods=["POST"]),
            Route("/unregister", control.unregister, methods=["POST"]),
        ],
        exception_handlers={JubakoError: control.refused},
        lifespan=control.lifespan,
    )


class ControlPlane:
    """The routes, and the order in which things end.

    The server of this application and those of the gateways are told to end at the same moment, but gateways still answer what
    they were asked. So instances stay until the last watcher has gone, or until the grace period is over; then the watch
    streams end, and with them the server.
    """

    def __init__(self, make_supervisor: Callable[[], Supervisor], grace_period_s: float) -> None:
        self._make_supervisor = make_supervisor
        self._grace_period_s = grace_period_s
        self._supervisor: Supervisor
        self._watchers = 0
        self._unwatched = asyncio.Event()
        self._ending: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        async with self._make_supervisor() as self._supervisor:
            on_termination(self._begin_to_end)
            yield
            if self._ending is not None:
                await self._ending

    async def watch(self, request: Request) -> Response:
        return StreamingResponse(self._lines(), media_type="application/jsonl")

    async def snapshot(self, request: Request) -> Response:
        return _json(self._supervisor.snapshot)

    async def livez(self, request: Request) -> Response:
        return PlainTextResponse("alive\n")

    async def readyz(self, request: Request) -> Response:
        snapshot = self._supervisor.snapshot
        if snapshot.draining:
            return PlainTextResponse("shutting down\n", status_code=503)
        loading = [f"{version.model}:{version.version}" for version in snapshot.versions if version.state == "LOADING"]
        if loading and not snapshot.started:
            return PlainTextResponse(f"loading {', '.join(loading)}\n", status_code=503)
        return PlainTextResponse("ready\n")

    async def load(self, request: Request) -> Response:
        order = await _posted(request, ModelOrder)
        await self._supervisor.load(order.model)
        return await self._done()

    async def unload(self, request: Request) -> Response:
        order = await _posted(request, ModelOrder)
        await self._supervisor.unload(order.model)
        return await self._done()

    async def alias(self, request: Request) -> Response:
        order = await _posted(request, AliasOrder)
        if order.version is None:
            await self._supervisor.delete_alias(order.model, order.alias)
        else:
            await self._supervisor.set_alias(order.model, order.alias, order.version)
        return await self._done()

    async def register(self, request: Request) -> Response:
        self._supervisor.register_region(await _posted(request, SharedRegion))
        return await self._done()

    async def unregister(self, request: Request) -> Response:
        order = await _posted(request, RegionOrder)
        self._supervisor.unregister_region(order.name)
        return await self._done()

    async def refused(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, JubakoError)
        return _json(Outcome(await self._supervisor.heard(), error.to_wire()), error.http_status)

    async def _done(self) -> Response:
        return _json(Outcome(await self._supervisor.heard()))

    async def _lines(self) -> AsyncIterator[bytes]:
        self._watchers += 1
        self._unwatched.clear()
        try:
            async for snapshot in self._supervisor.snapshots():
                yield msgspec.json.encode(snapshot) + b"\n"
        finally:
            self._watchers -= 1
            if not self._watchers:
                self._unwatched.set()

    def _begin_to_end(self) -> None:
        self._ending = asyncio.get_running_loop().create_task(self._end())

    async def _end(self) -> None:
        self._supervisor.announce_draining()
        if self._watchers:
            log.info("waiting for %d gateways to finish, at most %g seconds", self._watchers, self._grace_period_s)
            try:
                async with asyncio.timeout(self._grace_period_s):
                    await self._unwatched.wait()
            except TimeoutError:
                log.warning("the grace period is over with calls still in flight")
        await self._supervisor.drain(DRAIN_S)


async def _posted(request: Request, kind: type[Order]) -> Order:
    try:
        return msgspec.json.decode(await request.body(), type=kind)
    except msgspec.MsgspecError as error:
        raise InvalidRequest(f"The body is no {kind.__name__}: {error}.") from None


def _json(answer: msgspec.Struct, status: int = 200) -> Response:
    return Response(msgspec.json.encode(answer), status_code=status, media_type="application/json")
