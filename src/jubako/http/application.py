"""The gateway's ASGI application: a route table, one translator of errors, an access line, and nothing in between."""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from starlette.types import ASGIApp, Receive, Scope, Send

from jubako.access.guard import Guard, require
from jubako.access.scope import ANY_KEY, INFER, METRICS, OPEN, SERVER_METRICS
from jubako.dataplane.limited import seen_by
from jubako.dataplane.protocol import Plane
from jubako.errors import InternalError, JubakoError
from jubako.http import documentation, health, interfaces, stat
from jubako.http.access_log import AccessLog
from jubako.http.exchange import ClientGone, Exchange, Lookout
from jubako.http.kserve import errors as kserve_errors
from jubako.http.kserve.routes import add_routes as add_kserve_routes
from jubako.http.openai import chat, classify, completions, embeddings, models, rerank, score, tokenize
from jubako.http.openai.answers import error_body
from jubako.http.openai.streaming import error_event
from jubako.http.routes import Routes
from jubako.kserve.trace import Tracing
from jubako.settings import Settings

log = logging.getLogger(__name__)

GC_THRESHOLD = 20_000
"""New objects before the garbage collector looks at the youngest."""

PlaneLifespan = Callable[[], AbstractAsyncContextManager[Plane]]


def application(plane_lifespan: PlaneLifespan, settings: Settings, tracing: Tracing, guard: Guard | None) -> ASGIApp:
    """The gateway.

    Args:
        plane_lifespan: Entered when the server starts and left when it stops; gives the plane that answers.
        settings: `max_body_bytes`, `access_log` and `log_format` are used.
        tracing: The trace settings, which gRPC shares.
        guard: Asks for keys, as for gRPC; None: nobody is asked for one.
    """
    return Application(plane_lifespan, settings, tracing, guard)


def routes(tracing: Tracing) -> Routes:
    """All that the gateway serves."""
    table = Routes()
    table.add("POST", "/v1/chat/completions", chat.create, INFER)
    table.add("POST", "/v1/completions", completions.create, INFER)
    table.add("POST", "/v1/embeddings", embeddings.create, INFER)
    for path, endpoint in (("/rerank", rerank.create), ("/score", score.create), ("/classify", classify.create)):
        # vLLM has them at both places.
        table.add("POST", f"/v1{path}", endpoint, INFER)
        table.add("POST", path, endpoint, INFER)
    table.add("GET", "/v1/models", models.index, ANY_KEY)
    table.add("GET", models.PREFIX, models.retrieve, ANY_KEY)
    table.add("GET", "/v1/interfaces", interfaces.index, ANY_KEY)
    table.add("GET", "/v1/stat", stat.index, METRICS)
    table.add("GET", stat.PREFIX, stat.retrieve, METRICS)
    table.add("POST", "/tokenize", tokenize.tokenize, INFER)
    table.add("POST", "/detokenize", tokenize.detokenize, INFER)
    add_kserve_routes(table, tracing)
    table.add("GET", "/livez", health.livez, OPEN)
    table.add("GET", "/readyz", health.readyz, OPEN)
    table.add("GET", "/metrics", health.metrics, SERVER_METRICS)
    table.add("GET", "/openapi.json", documentation.openapi, OPEN)
    table.add("GET", "/docs", documentation.page, OPEN)
    table.add("GET", documentation.PREFIX, documentation.asset, OPEN)
    table.add("GET", "/", documentation.index, OPEN)
    return table


class Application:
    """ASGI 3. One instance answers all requests of a gateway process."""

    def __init__(self, plane_lifespan: PlaneLifespan, settings: Settings, tracing: Tracing, guard: Guard | None) -> None:
        self._plane_lifespan = plane_lifespan
        self._max_body_bytes = settings.max_body_bytes
        self._routes = routes(tracing)
        self._guard = guard
        self._access_log = AccessLog(settings)
        self._lookout = Lookout()
        self._plane: Plane | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._exchange(Exchange(scope, receive, send, self._max_body_bytes, self._lookout))
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        else:
            await receive()
            await send({"type": "websocket.close", "code": 1000, "reason": "This server speaks no WebSocket."})

    async def _exchange(self, exchange: Exchange) -> None:
        start = time.perf_counter()
        try:
            await self._answer(exchange)
        except ClientGone:
            exchange.error = "client_gone"
        except JubakoError as error:
            await self._fail(exchange, error)
        except Exception:
            log.exception("Request %s failed: %s %s", exchange.request_id, exchange.method, ascii(exchange.path))
            await self._fail(
                exchange,
                InternalError(f"The server failed on this request. Its log says why, under request id {exchange.request_id}."),
            )
        finally:
            self._access_log.add(exchange, time.perf_counter() - start)

    async def _answer(self, exchange: Exchange) -> None:
        endpoint, access = self._routes.find(exchange)
        plane = self._plane
        assert plane is not None, "the server was not started through its lifespan"
        if self._guard is not None:
            headers = exchange.headers
            key = self._guard.identify(access, headers.get(b"authorization", b""), headers.get(b"x-api-key", b""))
            exchange.key = key.name
            require(key, access)
            exchange.validity = self._guard.while_valid(key, access)
            plane = seen_by(plane, key)
        await endpoint(exchange, plane)

    async def _fail(self, exchange: Exchange, error: JubakoError) -> None:
        """Say `error` in the form of the API that was asked: with its status, or, where 200 is already out, as the last event of
        the stream."""
        kserve = exchange.path.startswith("/v2")
        exchange.error = type(error).__name__
        if exchange.finished:
            return
        if exchange.started:
            await exchange.write(kserve_errors.error_event(error) if kserve else error_event(error))
            await exchange.finish()
        else:
            headers = self._routes.headers_of(error, exchange)
            body = kserve_errors.error_body(error) if kserve else error_body(error)
            await exchange.answer(body, status=error.http_status, headers=headers)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        phase = "startup"
        try:
            async with self._plane_lifespan() as self._plane:
                # What the imports left is never garbage; taken out of the collector's sight it costs no request a pause.
                gc.collect()
                gc.freeze()
                # And what a request leaves is freed without it: it may look a little less often than at each 700 new objects.
                gc.set_threshold(GC_THRESHOLD)
                await send({"type": "lifespan.startup.complete"})
                await receive()
                phase = "shutdown"
        except Exception as error:
            log.exception("The gateway's %s failed", phase)
            await send({"type": f"lifespan.{phase}.failed", "message": str(error)})
        else:
            await send({"type": "lifespan.shutdown.complete"})
