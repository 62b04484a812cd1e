"""GET /v2 and /v2/health/...: the server itself."""

from __future__ import annotations

from jubako import __version__
from jubako.dataplane.protocol import Plane
from jubako.http.exchange import Exchange
from jubako.http.kserve.answers import Live, Ready, ServerMetadata, encode
from jubako.kserve.extensions import EXTENSIONS


async def metadata(exchange: Exchange, plane: Plane) -> None:
    await exchange.answer(encode(ServerMetadata("jubako", __version__, EXTENSIONS)))


async def live(exchange: Exchange, plane: Plane) -> None:
    """200 as long as the event loop runs."""
    exchange.is_probe = True
    await exchange.answer(encode(Live(live=True)))


async def ready(exchange: Exchange, plane: Plane) -> None:
    """200 while new requests may be sent here, else 503."""
    exchange.is_probe = True
    can = plane.ready()
    await exchange.answer(encode(Ready(can)), status=200 if can else 503)
