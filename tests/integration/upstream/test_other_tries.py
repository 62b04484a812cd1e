"""Retries, circuits, several upstreams, and limits."""

from __future__ import annotations

import asyncio
import email.utils
import logging
import time

import pytest
from aiohttp import web

from jubako.errors import (
    Overloaded,
    UpstreamUnavailable,
)
from tests.integration.upstream.faulty_upstream import (
    HELLO,
    Behaviour,
    FaultyUpstream,
    chat,
    drop,
    error,
    faulty_upstream,
    stall,
    stream,
    text,
    whole,
)
from tests.integration.upstream.trial import Opener, metric_of
from tests.serving import free_port

OPEN_S = 3.0
"""How long a circuit stays open; more than a busy machine takes from one line of a test to the next."""


@pytest.mark.parametrize("behaviour", [drop, error(500), error(503), error(429), error(408), error(409), stream([])])
async def test_what_may_pass_is_tried_again(upstream: FaultyUpstream, connect: Opener, behaviour: Behaviour) -> None:
    upstream.script.extend([behaviour, behaviour, stream(HELLO)])
    opened = await connect(upstream.url)
    assert (await opened.only()).text == "Hello."
    assert len(upstream.seen) == 3


async def test_nothing_is_tried_again_once_a_part_was_passed_on(upstream: FaultyUpstream, connect: Opener) -> None:
    upstream.script.append(stream(HELLO[:2], then=drop))
    await (await connect(upstream.url)).fails()
    assert len(upstream.seen) == 1


@pytest.mark.parametrize("as_date", [True, False])
async def test_retry_after_is_honoured(upstream: FaultyUpstream, connect: Opener, *, as_date: bool) -> None:
    refused: list[float] = []

    async def refuse(request: web.BaseRequest) -> web.StreamResponse:
        refused.append(time.monotonic())
        # A date has whole seconds, so that a wait of two of them is one at least.
        value = email.utils.formatdate(time.time() + 2, usegmt=True) if as_date else "1"
        return await error(429, headers={"Retry-After": value})(request)

    upstream.script.append(refuse)
    opened = await connect(upstream.url, retries={"base_s": 0.001, "cap_s": 5})
    await opened.whole()
    assert time.monotonic() - refused[0] > 0.9


async def test_a_longer_wait_than_allowed_is_the_callers(upstream: FaultyUpstream, connect: Opener) -> None:
    upstream.script.append(error(429, headers={"Retry-After": "77"}))
    failed = await (await connect(upstream.url)).fails()
    assert isinstance(failed, Overloaded)
    assert failed.retry_after_s == 77
    assert len(upstream.seen) == 1


async def test_retries_never_multiply_the_load(upstream: FaultyUpstream, connect: Opener) -> None:
    upstream.otherwise = error(500)
    opened = await connect(upstream.url, retries={"max": 5, "base_s": 0.001, "budget": 0.2}, circuit={"failures": 1000})
    for _ in range(50):
        await opened.fails(stream=False)
    assert 50 + 15 < len(upstream.seen) <= 50 + 20


async def test_a_circuit_opens_and_closes(upstream: FaultyUpstream, connect: Opener, caplog: pytest.LogCaptureFixture) -> None:
    upstream.otherwise = error(500)
    opened = await connect(upstream.url, retries={"max": 0}, circuit={"failures": 3, "open_s": OPEN_S})
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            await opened.fails()
        failed = await opened.fails()
        assert isinstance(failed, UpstreamUnavailable)
        assert failed.retry_after_s is not None
        assert len(upstream.seen) == 3
        assert metric_of(opened, "jubako_upstream_circuit_state") == 2
        await asyncio.sleep(OPEN_S + 0.05)
        assert metric_of(opened, "jubako_upstream_circuit_state") == 1
        await opened.fails()  # the trial
        assert metric_of(opened, "jubako_upstream_circuit_state") == 2
        upstream.otherwise = stream(HELLO)
        await asyncio.sleep(OPEN_S + 0.05)
        await opened.streamed()
    assert metric_of(opened, "jubako_upstream_circuit_state") == 0
    assert "circuit is open" in caplog.text
    assert "circuit is closed" in caplog.text


@pytest.mark.parametrize("behaviour", [drop, error(500), error(401), error(404), text("hm", "text/plain")])
async def test_another_upstream_is_asked(upstream: FaultyUpstream, connect: Opener, behaviour: Behaviour) -> None:
    upstream.otherwise = behaviour
    async with faulty_upstream() as second:
        targets = [{"base_url": upstream.url, "model": "a"}, {"base_url": second.url, "model": "b"}]
        opened = await connect(None, upstreams=targets, balance="in_order")
        assert (await opened.only(stream=False)).text == "Hello."
        assert (upstream.last.body["model"], second.last.body["model"]) == ("a", "b")
        assert metric_of(opened, "jubako_upstream_requests", status="200") == 1
        assert metric_of(opened, "jubako_upstream_retries") == 1


async def test_weights_and_load_decide(upstream: FaultyUpstream, connect: Opener) -> None:
    async with faulty_upstream() as second:
        targets = [{"base_url": upstream.url, "weight": 3}, {"base_url": second.url, "weight": 1}]
        opened = await connect(None, upstreams=targets, balance="weighted")
        for _ in range(8):
            await opened.whole()
        assert (len(upstream.seen), len(second.seen)) == (6, 2)
        upstream.otherwise = second.otherwise = stream(HELLO[:2], then=stall)
        loaded = await connect(None, upstreams=targets)
        asking = [asyncio.create_task(loaded.streamed()) for _ in range(4)]
        await upstream.has_seen(9)
        await second.has_seen(3)
        assert (len(upstream.seen), len(second.seen)) == (9, 3)
        for task in asking:
            task.cancel()
        await asyncio.wait(asking)


async def test_an_upstream_that_is_down_does_not_keep_the_entry_from_being_ready(connect: Opener) -> None:
    opened = await connect(f"http://127.0.0.1:{free_port()}/v1")
    failed = await opened.fails()
    assert isinstance(failed, UpstreamUnavailable)
    assert "can't be reached" in failed.message


async def test_a_dead_upstream_is_known_before_a_request_meets_it(upstream: FaultyUpstream, connect: Opener) -> None:
    upstream.otherwise = error(500)
    opened = await connect(upstream.url, probe_interval_s=0.02, circuit={"failures": 2, "open_s": 0.1})
    while metric_of(opened, "jubako_upstream_circuit_state") == 0:
        await upstream.has_seen(len(upstream.seen) + 1)
    assert {seen.path for seen in upstream.seen} == {"/v1/models"}
    upstream.otherwise = whole({"data": []})
    while metric_of(opened, "jubako_upstream_circuit_state") != 0:
        await upstream.has_seen(len(upstream.seen) + 1)


async def test_requests_a_minute(upstream: FaultyUpstream, connect: Opener) -> None:
    opened = await connect(upstream.url, requests_per_minute=2, spec={"queue_timeout_s": 1.0})
    await opened.whole()
    await opened.whole()
    failed = await opened.fails()
    assert isinstance(failed, Overloaded)
    assert failed.retry_after_s is not None
    assert 15 < failed.retry_after_s <= 30
    assert len(upstream.seen) == 2


async def test_tokens_a_minute_are_settled_by_the_count(upstream: FaultyUpstream, connect: Opener) -> None:
    opened = await connect(upstream.url, tokens_per_minute=1100, spec={"queue_timeout_s": 1.0})
    for _ in range(5):  # each is estimated at 512 and more, and takes 7
        await opened.whole()
    answer = chat("Hello.")
    answer["usage"]["completion_tokens"] = 3000
    upstream.script.append(whole(answer))
    await opened.whole()
    assert isinstance(await opened.fails(), Overloaded)


async def test_those_who_wait_for_the_limit_count_as_waiting(upstream: FaultyUpstream, connect: Opener) -> None:
    # The next place comes 20 seconds after the first three are taken.
    opened = await connect(upstream.url, requests_per_minute=3)
    upstream.otherwise = stall
    asking = [asyncio.create_task(opened.whole()) for _ in range(4)]
    await upstream.has_seen(3)
    assert opened.backend.current_load().queued == 1
    for task in asking:
        task.cancel()
    await asyncio.wait(asking)


async def test_concurrency_is_bounded(upstream: FaultyUpstream, connect: Opener) -> None:
    upstream.otherwise = stall
    opened = await connect(upstream.url, spec={"max_concurrency": 2, "max_queue_size": 1})
    asking = [asyncio.create_task(opened.whole()) for _ in range(3)]
    await upstream.has_seen(2)
    with pytest.raises(Overloaded):
        await opened.whole()
    load = opened.backend.current_load()
    assert (load.running, load.queued, load.capacity) == (2, 1, 2)
    for task in asking:
        task.cancel()
    await asyncio.wait(asking)
