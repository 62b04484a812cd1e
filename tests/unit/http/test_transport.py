"""What HTTP itself asks of the gateway: bodies, headers, methods, request ids, clients that leave or read slowly, the log."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Sequence
from urllib.parse import urlsplit

import httpx
import pytest

from jubako.http.access_log import AccessLog
from jubako.http.application import Application
from jubako.http.exchange import Exchange, Lookout
from jubako.kserve.trace import Tracing
from jubako.messages import Delta
from jubako.settings import Settings
from tests.unit.http.fake_plane import FakePlane

CHAT = "/v1/chat/completions"
BODY = b'{"model":"talk","messages":[{"role":"user","content":"one two"}]}'
STREAM = BODY[:-1] + b',"stream":true}'
JSON = {"content-type": "application/json"}


async def post(client: httpx.AsyncClient, content: bytes, **headers: str) -> httpx.Response:
    return await client.post(CHAT, content=content, headers={**JSON, **{k.replace("_", "-"): v for k, v in headers.items()}})


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"", "no body"),
        (b"{", "line 1, column 2"),
        (b'{\n "model": nope}', "line 2, column 11"),
        (b'{"model": "\xff"}', "byte 11 is not UTF-8"),
        (b"[]", "expected object, but got array"),
        (b'{"model":"talk","messages":[{"role":"user","parsed":' + b"[" * 5000 + b"]" * 5000 + b"}]}", "nested too deeply"),
    ],
)
async def test_a_body_that_is_no_request(client: httpx.AsyncClient, content: bytes, part: str) -> None:
    response = await post(client, content)
    assert response.status_code == 400
    assert part in response.json()["error"]["message"]


@pytest.mark.parametrize("media", ["application/json", "application/json; charset=utf-8", 'Application/JSON;charset="UTF-8"'])
async def test_media_types_of_json(client: httpx.AsyncClient, media: str) -> None:
    assert (await post(client, BODY, content_type=media)).status_code == 200


@pytest.mark.parametrize("media", ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16", ""])
async def test_other_media_types_are_refused(client: httpx.AsyncClient, media: str) -> None:
    response = await post(client, BODY, content_type=media)
    assert response.status_code == 415
    assert "content-type: application/json" in response.json()["error"]["message"]


async def test_a_body_without_a_media_type_is_refused(client: httpx.AsyncClient) -> None:
    assert (await client.post(CHAT, content=BODY)).status_code == 415


async def test_a_compressed_body_is_refused(client: httpx.AsyncClient) -> None:
    response = await post(client, BODY, content_encoding="gzip")
    assert response.status_code == 415
    assert "compressed" in response.json()["error"]["message"]


async def test_a_body_that_is_too_large(client: httpx.AsyncClient) -> None:
    for content in (b" " * 100_001, pieces(b" " * 60_000, b" " * 60_000)):
        response = await client.post(CHAT, content=content, headers=JSON)
        assert response.status_code == 413
        assert "100000 bytes" in response.json()["error"]["message"]
    # The limit itself is allowed, in one piece or in several.
    padded = BODY + b" " * (100_000 - len(BODY))
    assert (await post(client, padded)).status_code == 200
    response = await client.post(CHAT, content=pieces(padded[:50_000], padded[50_000:]), headers=JSON)
    assert response.status_code == 200


async def test_a_body_that_is_said_to_be_too_large_is_refused_before_it_is_sent(url: str) -> None:
    reader, writer = await _connect(url)
    writer.write(
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 999999\r\n\r\n"
    )
    assert b"413" in await reader.readline()
    writer.close()


async def test_unknown_paths(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/chat/completion", content=BODY, headers=JSON)
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "unknown_url"
    assert "Did you mean /v1/chat/completions?" in response.json()["error"]["message"]


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", CHAT, "POST"),
        ("POST", "/v1/models", "GET, HEAD"),
        ("DELETE", "/v1/models/talk", "GET, HEAD"),
        ("OPTIONS", CHAT, "POST"),
    ],
)
async def test_wrong_methods(client: httpx.AsyncClient, method: str, path: str, allow: str) -> None:
    response = await client.request(method, path)
    assert response.status_code == 405
    assert response.headers["allow"] == allow
    assert response.json()["error"]["code"] == "method_not_allowed"


async def test_head(client: httpx.AsyncClient) -> None:
    response = await client.head("/v1/models")
    assert response.status_code == 200
    assert response.content == b""


async def test_request_ids(client: httpx.AsyncClient, plane: FakePlane) -> None:
    given = await post(client, BODY, x_request_id="my-id.7")
    assert given.headers["x-request-id"] == plane.callers[0].request_id == "my-id.7"
    fresh = await post(client, BODY)
    assert fresh.headers["x-request-id"] == plane.callers[1].request_id
    assert len(fresh.headers["x-request-id"]) == 24
    for bad in ("x" * 129, "two words"):
        replaced = await post(client, BODY, x_request_id=bad)
        assert replaced.headers["x-request-id"] not in (bad, fresh.headers["x-request-id"])
    streamed = await post(client, STREAM, x_request_id="s")
    assert streamed.headers["x-request-id"] == "s"
    assert (await client.get("/nowhere", headers={"x-request-id": "n"})).headers["x-request-id"] == "n"


# --- clients that leave or read slowly --------------------------------------------------------------------------------------


async def _connect(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    parts = urlsplit(url)
    return await asyncio.open_connection(parts.hostname, parts.port)


def _request(body: bytes) -> bytes:
    return b"POST %s HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (
        CHAT.encode(),
        len(body),
        body,
    )


@pytest.mark.parametrize("body", [BODY, STREAM])
async def test_a_client_that_leaves_before_the_first_token_ends_its_work(url: str, plane: FakePlane, body: bytes) -> None:
    plane.gate.clear()
    _, writer = await _connect(url)
    writer.write(_request(body))
    await plane.begun.wait()
    writer.close()
    await asyncio.wait_for(plane.cancelled.wait(), 60)


async def test_a_client_that_leaves_in_the_middle_ends_its_work(url: str, plane: FakePlane) -> None:
    plane.close_gate_after = 1
    reader, writer = await _connect(url)
    writer.write(_request(STREAM))
    await reader.readuntil(b"role")
    writer.close()
    await asyncio.wait_for(plane.cancelled.wait(), 60)


async def test_a_slow_reader_slows_its_own_stream_and_no_other(url: str, client: httpx.AsyncClient, plane: FakePlane) -> None:
    plane.batches = [[Delta(0, text="x" * 100_000)] for _ in range(1000)]
    reader, writer = await _connect(url)
    writer.write(_request(STREAM))
    await reader.readuntil(b"role")
    assert (await client.get("/livez")).status_code == 200
    # What the kernel and the two ends buffer is a few megabytes; the answer is a hundred.
    assert plane.sent < 500
    received = 0
    while received < 100_000_000:
        received += len(await reader.read(1 << 20))
    assert plane.sent > 900
    writer.close()


async def test_a_connection_is_used_again_after_an_error(client: httpx.AsyncClient) -> None:
    assert (await post(client, b"{")).status_code == 400
    assert (await post(client, BODY)).status_code == 200


# --- the lifespan and the log ------------------------------------------------------------------------------------------------


async def test_a_plane_that_does_not_start_fails_the_startup(plane: FakePlane, caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        async def __aenter__(self) -> FakePlane:
            raise RuntimeError("no runner")

        async def __aexit__(self, *_: object) -> None: ...

    sent: list[dict[str, object]] = []

    async def receive() -> dict[str, object]:
        return {"type": "lifespan.startup"}

    async def send(message: object) -> None:
        assert isinstance(message, dict)
        sent.append(message)

    await Application(Broken, Settings(), Tracing(), guard=None)({"type": "lifespan"}, receive, send)
    assert sent == [{"type": "lifespan.startup.failed", "message": "no runner"}]
    assert "no runner" in caplog.text


async def _logged(log_format: str, path: str = CHAT, *, enabled: bool = True, headers: Sequence[tuple[bytes, bytes]] = ()) -> str:
    out = io.BytesIO()
    log = AccessLog(Settings(log_format=log_format, access_log=enabled), out)
    scope = {"type": "http", "method": "POST", "path": path, "headers": [(b"x-request-id", b"abc"), *headers]}

    async def receive() -> dict[str, object]:
        return {"type": "http.disconnect"}

    async def send(message: object) -> None:
        pass

    exchange = Exchange(scope, receive, send, 1000, Lookout())
    exchange.model = "talk"
    await exchange.answer(b"{}")
    log.add(exchange, 0.0123)
    assert out.getvalue() == b""
    await asyncio.sleep(0)
    return out.getvalue().decode()


async def test_access_lines() -> None:
    assert (await _logged("text"))[9:] == "POST /v1/chat/completions 200 2B 12.3ms talk abc\n"
    entry = json.loads(await _logged("json"))
    assert entry.pop("time").endswith("+00:00")
    assert entry == {
        "level": "info",
        "logger": "jubako.access",
        "message": "POST /v1/chat/completions 200",
        "method": "POST",
        "path": "/v1/chat/completions",
        "status": 200,
        "bytes": 2,
        "duration_ms": 12.3,
        "request_id": "abc",
        "trace_id": None,
        "model": "talk",
        "key": None,
        "error": None,
    }


async def test_access_lines_have_the_trace() -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    parent = (b"traceparent", f"00-{trace}-b7ad6b7169203331-01".encode())
    assert (await _logged("text", headers=[parent]))[9:] == f"POST /v1/chat/completions 200 2B 12.3ms talk abc trace={trace}\n"
    assert json.loads(await _logged("json", headers=[parent]))["trace_id"] == trace
    assert "trace" not in await _logged("text", headers=[(b"traceparent", b"00-0-0-01")])


async def test_nobody_can_forge_an_access_line() -> None:
    assert (await _logged("text", "/x\n00:00:00 GET / 200")).count("\n") == 1


@pytest.mark.parametrize("settings", [Settings(access_log=True)])
async def test_probes_are_not_logged(capsysbinary: pytest.CaptureFixture[bytes], url: str) -> None:
    async with httpx.AsyncClient(base_url=url) as client:
        for path in ("/livez", "/readyz", "/metrics", "/v1/models"):
            await client.get(path)
    assert [line.split()[2] for line in capsysbinary.readouterr().err.splitlines()] == [b"/v1/models"]


async def test_access_lines_can_be_off() -> None:
    assert await _logged("text", enabled=False) == ""
