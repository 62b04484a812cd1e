"""Upstreams that refuse, drop, stall and lie."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from jubako.errors import (
    DeadlineExceeded,
    InvalidRequest,
    JubakoError,
    ModelNotFound,
    Overloaded,
    PayloadTooLarge,
    PromptTooLong,
    UpstreamFailed,
    UpstreamUnavailable,
)
from jubako.messages import (
    Delta,
)
from tests.integration.upstream.faulty_upstream import (
    HELLO,
    Behaviour,
    FaultyUpstream,
    chunk,
    drop,
    error,
    events,
    stall,
    stream,
    text,
    whole,
)
from tests.integration.upstream.trial import HI, Call, Opener


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("behaviour", "kind", "says"),
    [
        (error(400, "temperature is too hot", param="temperature", code="bad"), InvalidRequest, "temperature is too hot"),
        (error(400, "too long", code="context_length_exceeded"), PromptTooLong, "too long"),
        (error(400, "This model's maximum context length is 9 tokens"), PromptTooLong, "maximum context"),
        (error(401, "Incorrect API key"), UpstreamFailed, "server's own key"),
        (error(403, "no"), UpstreamFailed, "server's own key"),
        (error(404, "no such model"), ModelNotFound, "'m'"),
        (error(413, "too big"), PayloadTooLarge, "too big"),
        (error(429, "slow down"), Overloaded, "slow down"),
        (error(500, "oops"), UpstreamFailed, "oops"),
        (error(503, "full"), UpstreamUnavailable, "full"),
        (error(504, "slow"), DeadlineExceeded, "slow"),
        (whole({"detail": "not here"}, 422), InvalidRequest, "not here"),
        (text("<html>Bad gateway</html>", "text/html", 502), UpstreamFailed, "Bad gateway"),
        (text("", "text/plain", 302), UpstreamFailed, "sends elsewhere"),
        (text("<html>Log in</html>", "text/html"), UpstreamFailed, "text/html"),
        (drop, UpstreamFailed, "closed the connection"),
    ],
)
async def test_refusals_say_whose_fault_it_is(
    upstream: FaultyUpstream, connect: Opener, behaviour: Behaviour, kind: type[JubakoError], says: str, *, stream: bool
) -> None:
    upstream.otherwise = behaviour
    opened = await connect(upstream.url, retries={"max": 0})
    refused = await opened.fails(stream=stream)
    assert type(refused) is kind
    assert says in refused.message
    assert len(upstream.seen) == 1
    if refused.message == "temperature is too hot":
        assert (refused.param, refused.code) == ("temperature", "bad")
    if kind is Overloaded:
        assert refused.retry_after_s == 1


@pytest.mark.parametrize(
    ("behaviour", "says"),
    [
        (stream(HELLO[:2]), "broke off"),
        (stream([*HELLO[:2], b'data: {"choi']), "no JSON"),
        (stream(HELLO[:2], then=drop), "broke off"),
        (stream([*HELLO[:2], b"data: <html>\n\n"]), "no JSON"),
        (stream([*HELLO[:2], b'data: {"choices": 3}\n\n']), "another kind"),
        (stream(events(chunk(content="a"), {"error": {"message": "out of memory", "code": 500}})), "out of memory"),
        (stream(events(chunk(content="a"), {"object": "error", "message": "died", "code": 500})), "died"),
        (stream(events(chunk(content="a"), chunk(finish_reason="network_error"))), "network_error"),
        (stream([]), "ended its answer before it began"),
        (text("{}", "application/json"), "event-stream"),
    ],
)
async def test_broken_streams_are_errors(upstream: FaultyUpstream, connect: Opener, behaviour: Behaviour, says: str) -> None:
    upstream.otherwise = behaviour
    failed = await (await connect(upstream.url, retries={"max": 0})).fails()
    assert type(failed) is UpstreamFailed
    assert says in failed.message


@pytest.mark.parametrize(
    ("body", "says"),
    [("{", "no JSON"), ("[]", "another kind"), ('{"choices": []}', "without choices"), ('{"error": "no"}', "no")],
)
async def test_answers_that_are_none_are_errors(upstream: FaultyUpstream, connect: Opener, body: str, says: str) -> None:
    upstream.otherwise = text(body, "application/json")
    failed = await (await connect(upstream.url)).fails(stream=False)
    assert isinstance(failed, UpstreamFailed)
    assert says in failed.message


@pytest.mark.parametrize(("behaviour", "stream"), [(stall, True), (stall, False), (stream(HELLO[:2], then=stall), True)])
async def test_a_stall_ends_in_time(upstream: FaultyUpstream, connect: Opener, behaviour: Behaviour, *, stream: bool) -> None:
    upstream.otherwise = behaviour
    opened = await connect(upstream.url, first_byte_timeout_s=1.5, idle_timeout_s=1.5, timeout_s=3)
    failed = await opened.fails(stream=stream)
    assert isinstance(failed, DeadlineExceeded)
    assert failed.code == "upstream_timeout"
    await asyncio.wait_for(upstream.left.wait(), 30)
    assert len(upstream.seen) == 1


async def test_a_slow_stream_makes_progress(upstream: FaultyUpstream, connect: Opener) -> None:
    upstream.otherwise = stall
    opened = await connect(upstream.url)
    asking = asyncio.create_task(opened.whole())
    await asyncio.sleep(0.1)
    before = opened.backend.current_load()
    await asyncio.sleep(1.1)
    after = opened.backend.current_load()
    assert before.running == after.running == 1
    assert after.progress > before.progress
    asking.cancel()
    await asyncio.wait([asking])


@pytest.mark.parametrize("begun", [True, False])
async def test_a_caller_that_leaves_is_left_upstream(upstream: FaultyUpstream, connect: Opener, *, begun: bool) -> None:
    upstream.otherwise = stream(HELLO[:2], then=stall) if begun else stall
    opened = await connect(upstream.url)
    if begun:
        async with aclosing(opened.backend.generate(HI, Call(stream=True))) as answer:  # type: ignore[type-var]
            async for event in answer:
                assert event == Delta(0, "Hel")
                break
    else:
        asking = asyncio.create_task(opened.streamed())
        await upstream.has_seen(1)
        asking.cancel()
        await asyncio.wait([asking])
    await asyncio.wait_for(upstream.left.wait(), 30)
    assert opened.idle
    assert opened.backend.current_load().running == 0
