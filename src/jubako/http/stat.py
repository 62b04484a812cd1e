"""GET /v1/stat and /v1/stat/{name}: what each instance of each model is doing now. `jubako stat` asks it."""

from __future__ import annotations

import asyncio
from typing import Literal

import msgspec
from msgspec import Struct

from jubako.dataplane.instances import InstanceActivity
from jubako.dataplane.protocol import Plane
from jubako.http.exchange import Exchange
from jubako.messages import Task, VersionState, VersionStatus

PREFIX = "/v1/stat/"


class ModelActivity(Struct, frozen=True, kw_only=True):
    """Answer of GET /v1/stat/{name}: a version and its instances. `reason` says why the state is not READY."""

    model: str
    version: int
    state: VersionState
    reason: str | None
    backend: str
    tasks: list[Task]
    aliases: list[str]
    load_balance_strategy: Literal["least_busy"] = "least_busy"
    instances: list[InstanceActivity]


class Activity(Struct, frozen=True):
    """Answer of GET /v1/stat: every version of every model."""

    data: list[ModelActivity]
    object: Literal["list"] = "list"


async def index(exchange: Exchange, plane: Plane) -> None:
    exchange.is_probe = True
    data = await asyncio.gather(*(_activity(plane, status) for status in plane.index()))
    await exchange.answer(msgspec.json.encode(Activity(data)))


async def retrieve(exchange: Exchange, plane: Plane) -> None:
    exchange.is_probe = True
    activity = await _activity(plane, plane.model(exchange.path.removeprefix(PREFIX)))
    await exchange.answer(msgspec.json.encode(activity))


async def _activity(plane: Plane, status: VersionStatus) -> ModelActivity:
    return ModelActivity(
        model=status.model,
        version=status.version,
        state=status.state,
        reason=status.reason or None,
        backend=status.backend,
        tasks=status.tasks,
        aliases=status.aliases,
        instances=await plane.activity(status),
    )
