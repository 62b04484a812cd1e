"""GET /livez, /readyz and /metrics: what watches the server asks."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from jubako.dataplane.protocol import Plane
from jubako.http.exchange import Exchange
from jubako.messages import VersionState

METRICS_TYPE = b"text/plain; version=0.0.4; charset=utf-8"


class Alive(Struct, frozen=True):
    """Answer of GET /livez."""

    alive: bool = True


class ModelReadiness(Struct, frozen=True):
    """`reason` says why the state is not READY."""

    model: str
    version: int
    state: VersionState
    reason: str | None


class Readiness(Struct, frozen=True):
    """Answer of GET /readyz, also where it is 503."""

    ready: bool
    models: list[ModelReadiness]


async def livez(exchange: Exchange, plane: Plane) -> None:
    """200 as long as the event loop runs."""
    exchange.is_probe = True
    await exchange.answer(msgspec.json.encode(Alive()))


async def readyz(exchange: Exchange, plane: Plane) -> None:
    """200 while new requests may be sent here, else 503; both with the state of each model."""
    exchange.is_probe = True
    ready = plane.ready()
    models = [ModelReadiness(s.model, s.version, s.state, s.reason or None) for s in plane.models()]
    await exchange.answer(msgspec.json.encode(Readiness(ready, models)), status=200 if ready else 503)


async def metrics(exchange: Exchange, plane: Plane) -> None:
    """Prometheus' page."""
    exchange.is_probe = True
    await exchange.answer(await plane.metrics(), content_type=METRICS_TYPE)
