"""GET /v1/interfaces: what clients are generated from. `jubako client` asks it."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import Struct

from jubako.dataplane.protocol import Plane
from jubako.http.exchange import Exchange
from jubako.routing.interface import ModelInterface, interfaces


class InterfaceList(Struct, frozen=True):
    """Answer of GET /v1/interfaces: every model."""

    data: list[ModelInterface]
    object: Literal["list"] = "list"


async def index(exchange: Exchange, plane: Plane) -> None:
    await exchange.answer(msgspec.json.encode(InterfaceList(interfaces(plane.models(), plane.index()))))
