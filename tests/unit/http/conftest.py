"""The gateway's application on a real socket, with a plane in memory behind it."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator

import httpx
import pytest
import uvicorn

from jubako.http.application import application
from jubako.kserve.trace import Tracing
from jubako.settings import Settings
from tests.unit.http.fake_plane import FakePlane


@pytest.fixture
async def plane() -> FakePlane:
    return FakePlane()


@pytest.fixture
def settings() -> Settings:
    return Settings(max_body_bytes=100_000, access_log=False)


@pytest.fixture
async def url(plane: FakePlane, settings: Settings) -> AsyncIterator[str]:
    """Where the application is served."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(
            application(plane.lifespan, settings, Tracing(), guard=None), log_level="warning", access_log=False
        )
        config.load()
        server = uvicorn.Server(config)
        server.lifespan = config.lifespan_class(config)
        await server.startup(sockets=[listener])
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        plane.gate.set()
        await server.shutdown(sockets=[listener])


@pytest.fixture
async def client(url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=url, timeout=30) as client:
        yield client
