"""Keys, proxies, and entries that can not work."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import msgspec
import pytest

from jubako.backends.declarations import BACKENDS
from jubako.errors import (
    ConfigurationError,
    UpstreamUnavailable,
)
from jubako.messages import (
    SamplingParams,
    Timings,
)
from jubako.repository.validation import check_engine
from tests.integration.upstream.faulty_upstream import (
    Behaviour,
    FaultyUpstream,
    chunk,
    error,
    events,
    stream,
    text,
)
from tests.integration.upstream.trial import KEY, Opener
from tests.serving import free_port


async def test_a_key_that_the_upstream_repeats_is_hidden(
    upstream: FaultyUpstream, connect: Opener, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("A_KEY", KEY)
    monkeypatch.setenv("B_KEY", "other-secret-9876")
    opened = await connect(
        upstream.url,
        api_key_env="A_KEY",
        headers_env={"X-Gate": "B_KEY"},
        headers={"X-Plain": "p"},
        organization="o",
        project="q",
    )
    behaviours: list[Behaviour] = [
        error(401, f"Incorrect API key provided: {KEY}."),
        error(400, "x" * 990 + KEY, param=KEY, code=KEY),
        error(500, f"{KEY} and other-secret-9876"),
        text(f"<b>{KEY}</b>", "text/html", 500),
        text("", f"text/{KEY}"),
        stream(events(chunk(content="a"), {"error": {"message": f"your key {KEY}"}})),
    ]
    with caplog.at_level(logging.DEBUG):
        for behaviour in behaviours:
            upstream.otherwise = behaviour
            failed = await opened.fails()
            shown = f"{failed.message} {failed.param} {failed.code} {failed!r} {failed.to_wire()}"
            assert KEY[:8] not in shown
            assert "other-secret" not in shown
    headers = upstream.last.headers
    assert (headers["Authorization"], headers["X-Gate"], headers["X-Plain"]) == (f"Bearer {KEY}", "other-secret-9876", "p")
    assert (headers["OpenAI-Organization"], headers["OpenAI-Project"]) == ("o", "q")
    assert KEY not in caplog.text
    assert KEY not in repr(vars(opened.backend))
    assert KEY.encode() not in msgspec.json.encode(opened.backend.statistics())


async def test_a_key_is_read_again_when_its_file_changes(upstream: FaultyUpstream, connect: Opener, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"{KEY}\n")
    opened = await connect(upstream.url, api_key_file=str(file))
    await opened.whole()
    assert upstream.last.headers["Authorization"] == f"Bearer {KEY}"
    file.write_text("another-key-1234567\n")
    await opened.whole()
    assert upstream.last.headers["Authorization"] == "Bearer another-key-1234567"
    file.unlink()
    await opened.whole()
    assert upstream.last.headers["Authorization"] == "Bearer another-key-1234567"


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"api_key_env": "NO_SUCH_KEY"}, "NO_SUCH_KEY"),
        ({"api_key_file": "/no/such/key"}, "/no/such/key"),
        ({"api_key_file": "/no/such/key", "api_key_env": "PATH"}, "both"),
        ({"provider": "deepseek"}, "DEEPSEEK_API_KEY"),
        ({"provider": "nobody"}, "Known: "),
        ({"provider": "anthropic"}, "backend: anthropic"),
        ({"provider": "azure", "base_url": None, "api_key_env": "PATH"}, "base_url"),
        ({"headers": {"Authorization": f"Bearer {KEY}"}}, "headers_env"),
        ({"query": {"api_key": KEY}}, "secret"),
        ({"extra_body": {"api_key": KEY}}, "secret"),
        ({"extra_body": {"model": "other"}}, "requests decide"),
        ({"base_url": f"http://user:{KEY}@host/v1"}, "password"),
        ({"base_url": "host/v1"}, "http://"),
        ({"proxy": f"http://user:{KEY}@host:1"}, "HTTPS_PROXY"),
        ({"proxy": "socks5://host:1"}, "HTTP proxies"),
        ({"ca_file": "/no/such/ca"}, "/no/such/ca"),
        ({"upstreams": [{"base_url": "http://a/v1"}]}, "upstreams"),
    ],
)
async def test_an_entry_that_can_not_work_says_why(
    connect: Opener, monkeypatch: pytest.MonkeyPatch, params: dict[str, Any], says: str
) -> None:
    monkeypatch.delenv("DEEPSEEK_API_KEY", raising=False)
    with pytest.raises(ConfigurationError) as caught:
        await connect(None, **({"base_url": "http://127.0.0.1:1/v1"} | params))
    assert says in caught.value.message
    assert KEY not in caught.value.message


async def test_tasks_and_sampling_that_the_provider_lacks_are_found_at_load(connect: Opener) -> None:
    with pytest.raises(ConfigurationError, match="embedding"):
        await connect(None, provider="kimi", api_key_env="PATH", spec={"tasks": ["embedding"]})
    with pytest.raises(ConfigurationError, match="top_k"):
        await connect(None, provider="kimi", api_key_env="PATH", spec={"sampling": SamplingParams(top_k=3)})


def test_a_key_in_an_entry_is_refused_without_being_shown() -> None:
    written: list[tuple[dict[str, Any], str]] = [
        ({"api_key": KEY}, "engine.api_key"),
        ({"upstreams": [{"base_url": "http://a/v1", "api_key": KEY}]}, "engine.upstreams[0].api_key"),
    ]
    for fields, path in written:
        (fault,) = check_engine(BACKENDS["openai"].params, fields).faults
        assert path in fault.message
        assert "`api_key_env` or `api_key_file`" in fault.message
        assert KEY not in fault.message


async def test_a_proxy_is_used(upstream: FaultyUpstream, connect: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = upstream.url.removesuffix("/v1")
    opened = await connect("http://example.invalid/v1", proxy=proxy)
    assert (await opened.only(stream=False)).text == "Hello."
    assert upstream.last.headers["Host"] == "example.invalid"
    for name in ("http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", proxy.replace("://", f"://user:{KEY}@"))
    opened = await connect("http://example.invalid/v1")
    await opened.whole()
    assert upstream.last.headers["Proxy-Authorization"].startswith("Basic ")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    direct = await connect(upstream.url)
    await direct.whole()
    assert "Proxy-Authorization" not in upstream.last.headers
    unreachable = await connect("http://example.invalid/v1", proxy=f"http://127.0.0.1:{free_port()}")
    assert isinstance(await unreachable.fails(), UpstreamUnavailable)


async def test_timings_of_an_answer_that_does_not_stream(upstream: FaultyUpstream, connect: Opener) -> None:
    result = await (await connect(upstream.url)).whole()
    assert result.timings == Timings(queue_s=result.timings.queue_s)
