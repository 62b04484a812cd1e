"""An upstream that does what a test tells it to: answers, drops, stalls, lies, limits."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
from aiohttp import web

Behaviour = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@dataclass
class Seen:
    """A request that came."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


class FaultyUpstream:
    """Answers one request after the other as `script` says, and all further ones as `otherwise` says."""

    def __init__(self) -> None:
        self.url = ""
        self.script: deque[Behaviour] = deque()
        self.otherwise: Behaviour = whole(chat("Hello."))
        self.seen: list[Seen] = []
        self.left = asyncio.Event()
        self._came = asyncio.Event()
        self.connections: set[Any] = set()

    @property
    def last(self) -> Seen:
        return self.seen[-1]

    async def has_seen(self, requests: int) -> None:
        """Wait until so many requests have come."""
        while len(self.seen) < requests:
            self._came.clear()
            await self._came.wait()

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        raw = await request.read()
        body = msgspec.json.decode(raw) if raw else None
        self.seen.append(Seen(request.method, request.path, dict(request.query), dict(request.headers), body))
        self._came.set()
        self.connections.add(request.transport)
        behaviour = self.script.popleft() if self.script else self.otherwise
        try:
            return await behaviour(request)
        except (asyncio.CancelledError, ConnectionResetError):
            self.left.set()
            raise


@asynccontextmanager
async def faulty_upstream() -> AsyncIterator[FaultyUpstream]:
    upstream = FaultyUpstream()
    runner = web.ServerRunner(web.Server(upstream.answer, handler_cancellation=True), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    upstream.url = f"http://{host}:{port}/v1"
    try:
        yield upstream
    finally:
        await runner.cleanup()


# --- what it answers --------------------------------------------------------------------------------------------------------


def chat(text: str, **fields: Any) -> dict[str, Any]:
    """A whole chat answer."""
    return {
        "id": "x",
        "object": "chat.completion",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text, **fields}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
    }


def chunk(**delta: Any) -> dict[str, Any]:
    """A chunk of a chat."""
    reason = delta.pop("finish_reason", None)
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}


def events(*data: dict[str, Any] | str) -> list[bytes]:
    """Each as a server-sent event."""
    return [b"data: " + (each.encode() if isinstance(each, str) else msgspec.json.encode(each)) + b"\n\n" for each in data]


HELLO = events(
    chunk(role="assistant", content=""),
    chunk(content="Hel"),
    chunk(content="lo."),
    chunk(finish_reason="stop"),
    {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 2}},
    "[DONE]",
)


# --- how it behaves ---------------------------------------------------------------------------------------------------------


def whole(answer: Any, status: int = 200, **headers: str) -> Behaviour:
    async def behave(request: web.BaseRequest) -> web.StreamResponse:
        return web.json_response(answer, status=status, headers={name.replace("_", "-"): v for name, v in headers.items()})

    return behave


def error(status: int, message: str = "No.", *, headers: dict[str, str] | None = None, **fields: Any) -> Behaviour:
    async def behave(request: web.BaseRequest) -> web.StreamResponse:
        body = {"error": {"message": message, "type": "some_error", "param": None, "code": None, **fields}}
        return web.json_response(body, status=status, headers=headers)

    return behave


def text(body: str, content_type: str, status: int = 200) -> Behaviour:
    async def behave(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text=body, content_type=content_type, status=status)

    return behave


def stream(
    pieces: Iterable[bytes], *, then: Behaviour | None = None, pause_s: float = 0, content_type: str = "text/event-stream"
) -> Behaviour:
    """Send `pieces`, and then end, or behave otherwise."""

    async def behave(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": content_type})
        await response.prepare(request)
        for piece in pieces:
            await response.write(piece)
            await asyncio.sleep(pause_s)
        if then is not None:
            return await then(request)
        await response.write_eof()
        return response

    return behave


async def drop(request: web.BaseRequest) -> web.StreamResponse:
    """Close the connection without a word."""
    assert request.transport is not None
    request.transport.abort()
    raise ConnectionResetError


async def stall(request: web.BaseRequest) -> web.StreamResponse:
    """Say nothing more."""
    await asyncio.Event().wait()
    raise AssertionError
