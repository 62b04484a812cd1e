"""Fixtures of the tests of upstream models."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.integration.upstream.faulty_upstream import (
    FaultyUpstream,
    faulty_upstream,
)
from tests.integration.upstream.trial import Opener


@pytest_asyncio.fixture
async def upstream() -> AsyncIterator[FaultyUpstream]:
    async with faulty_upstream() as running:
        yield running


@pytest_asyncio.fixture
async def connect() -> AsyncIterator[Opener]:
    opener = Opener()
    yield opener
    for backend in opener.opened:
        assert backend.current_load().running == 0
        await backend.close()
