"""Many streams over gRPC, some of which their clients leave: nothing stays behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
from jubako_client import Client

from benchmarks.grpc.soak import Load, leaks, soak, stuck, usages
from tests.conftest import ServerFactory

WARM_S = 3.0
SOAK_S = 17.0


async def test_streams_that_are_left_leave_nothing_behind(make_server: ServerFactory, repository: Callable[..., Path]) -> None:
    # Fewer places than streams, so that some are left while they wait.
    echo = "backend: echo\nengine: {slots: 16, token_delay_s: 0.005}\nlimits: {max_queue_size: 64}"
    with make_server(repository(echo=echo)) as server:
        target = f"127.0.0.1:{server.grpc_port}"
        load = Load(model="echo", streams=50, words=60, max_tokens=60)
        await soak(target, load, WARM_S)
        before = usages(server.tree())
        outcome = await soak(target, load, SOAK_S)
        assert outcome.whole > 100
        assert outcome.left > 20
        assert not outcome.errors
        # The instance says what it does once a second.
        server.wait_until(lambda: not stuck(httpx.get(f"{server.url}/metrics").text), timeout_s=60)
        assert leaks(before, usages(server.tree())) == []
        with Client(target, retries=0) as client:
            assert client.chat("echo", "still here").text == "still here"
