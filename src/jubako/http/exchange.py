"""One HTTP request and its answer, straight on ASGI."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any, Self

import numpy as np
from starlette.types import Message, Receive, Scope, Send

from jubako.access.validity import ALWAYS
from jubako.errors import InvalidRequest, PayloadTooLarge, UnsupportedMediaType
from jubako.http.compression import decompress
from jubako.identifiers import accepted, fresh_id
from jubako.messages import Caller
from jubako.tensors import Buffer
from jubako.trace_context import TraceContext

JSON = b"application/json"
BINARY = b"application/octet-stream"
EVENT_STREAM = b"text/event-stream; charset=utf-8"

LISTEN_AFTER_S = 0.1
"""Work that ends sooner is not watched for a client that leaves."""

LARGE_BODY_BYTES = 64 * 1024
"""A body that is said to be longer is read into its final place, piece by piece."""

SLICE_BYTES = 256 * 1024
"""Longer pieces of an answer are written so much at a time, as fast as the client reads."""

_JSON_TYPE = re.compile(rb"application/(?:[\w.-]+\+)?json\s*(?:;\s*charset\s*=\s*\"?utf-?8\"?\s*)?;?\s*", re.IGNORECASE)

Header = tuple[bytes, bytes]


class ClientGone(Exception):
    """The client closed the connection: there is nobody to answer."""


class Exchange:
    """Reads one request, writes one answer: either `answer`, or `start`, any number of `write`, and `finish`.

    Attributes:
        request_id: The client's ``x-request-id`` if it is printable ASCII of at most 128 characters, else a fresh one.
        trace: The trace that its ``traceparent`` names, if it names one.
        names: What the path names, by the names in the route's pattern.
        model: The folder name of the model that answers, once it is known; for the log.
        key: The name of the key that the caller has, where keys are asked for; for the log.
        validity: Around an answer that is streamed: ends it when the caller's key does not count any more.
        status: The status sent, 0 before.
        bytes_sent: Bytes of the body sent so far.
        error: The kind of the error that ended it, if one did; for the log.
        is_probe: Whether it is one of the many that only watch the server; those are not logged.
    """

    __slots__ = (
        "_lookout",
        "_max_body_bytes",
        "_receive",
        "_send",
        "bytes_sent",
        "error",
        "finished",
        "headers",
        "is_probe",
        "key",
        "method",
        "model",
        "names",
        "path",
        "request_id",
        "scope",
        "status",
        "trace",
        "validity",
    )

    def __init__(self, scope: Scope, receive: Receive, send: Send, max_body_bytes: int, lookout: Lookout) -> None:
        self.scope = scope
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.request_id = self._accept_request_id()
        self.trace = self._accept_trace()
        self.names: dict[str, str] = {}
        self.model = ""
        self.key = ""
        self.validity = ALWAYS
        self.status = 0
        self.bytes_sent = 0
        self.error = ""
        self.finished = False
        self.is_probe = False
        self._receive = receive
        self._send = send
        self._max_body_bytes = max_body_bytes
        self._lookout = lookout

    @property
    def started(self) -> bool:
        return self.status != 0

    @property
    def caller(self) -> Caller:
        """Who asks, for the data plane. HTTP has no deadline: a client that will not wait longer closes the connection."""
        return Caller(self.request_id, trace=self.trace)

    @property
    def target(self) -> bytes:
        """The path as it was sent, percent-encoded."""
        target: bytes = self.scope.get("raw_path") or self.path.encode("utf-8", "surrogateescape")
        return target

    # The request

    async def body(self) -> Buffer:
        """The body whatever its type, decompressed. A large one is read into one place and not copied again.

        Raises:
            UnsupportedMediaType: it is compressed in a way that is not known here.
            InvalidRequest: it is not compressed as its headers say.
            PayloadTooLarge: it is, or decompressed would be, longer than the settings allow.
            ClientGone: it ended too early.
        """
        headers = self.headers
        if (length := headers.get(b"content-length")) is not None:
            size = _parse_length(length)
            self._require_fits(size)
            body = await self._read_large(size) if size > LARGE_BODY_BYTES else await self._read()
        else:
            body = await self._read()
        if b"content-encoding" in headers:
            return await decompress(body, headers[b"content-encoding"], self._max_body_bytes)
        return body

    async def json_body(self) -> bytes:
        """The body of a request whose headers say that it is JSON.

        Raises:
            UnsupportedMediaType: it is said to be something else, or compressed.
            PayloadTooLarge: it is longer than the settings allow.
            ClientGone: it ended too early.
        """
        headers = self.headers
        if (content_type := headers.get(b"content-type", b"")) != JSON:
            _require_json(content_type)
        if b"content-encoding" in headers:
            _require_identity(headers[b"content-encoding"])
        if (length := headers.get(b"content-length")) is not None:
            self._require_fits(_parse_length(length))
        return await self._read()

    async def _read(self) -> bytes:
        message = await self._receive()
        if message["type"] == "http.request" and not message.get("more_body", False):
            body: bytes = message.get("body", b"")
            self._require_fits(len(body))
            return body
        return await self._read_rest(message)

    async def _read_rest(self, message: Message) -> bytes:
        parts: list[bytes] = []
        size = 0
        while message["type"] == "http.request":
            part: bytes = message.get("body", b"")
            size += len(part)
            self._require_fits(size)
            parts.append(part)
            if not message.get("more_body", False):
                return b"".join(parts)
            message = await self._receive()
        raise ClientGone

    async def _read_large(self, size: int) -> memoryview:
        # Memory that is not written to costs nothing: a client that announces much and sends little takes little.
        body = np.empty(size, np.uint8).data
        filled = 0
        while filled < size:
            message = await self._receive()
            if message["type"] != "http.request":
                raise ClientGone
            part: bytes = message.get("body", b"")
            if not part and not message.get("more_body", False):
                raise ClientGone
            body[filled : filled + len(part)] = part
            filled += len(part)
        return body

    def _require_fits(self, size: int) -> None:
        if size > self._max_body_bytes:
            raise PayloadTooLarge(
                f"The request body is larger than {self._max_body_bytes} bytes, the most that this server takes (max_body_bytes)."
            )

    def _accept_request_id(self) -> str:
        return accepted(self.headers.get(b"x-request-id", b"")) or fresh_id()

    def _accept_trace(self) -> TraceContext | None:
        if (parent := self.headers.get(b"traceparent")) is None:
            return None
        # It may come in several parts, and the other may not.
        state = b",".join(value for name, value in self.scope["headers"] if name == b"tracestate")
        return TraceContext.of(parent.decode("latin-1"), state.decode("latin-1"))

    def watch(self) -> DisconnectWatch:
        """Ends the enclosed work with ClientGone as soon as the client closes the connection. The body must have been read."""
        return DisconnectWatch(self._receive, self._lookout)

    # The answer

    async def answer(self, body: bytes, *, status: int = 200, content_type: bytes = JSON, headers: Iterable[Header] = ()) -> None:
        """Send a whole answer."""
        self.status = status
        self.bytes_sent = len(body)
        self.finished = True
        send = self._send
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [
                    (b"content-type", content_type),
                    (b"content-length", b"%d" % len(body)),
                    (b"x-request-id", self.request_id.encode("ascii")),
                    *headers,
                ],
            }
        )
        await send({"type": "http.response.body", "body": body})

    async def answer_pieces(self, pieces: Sequence[Buffer], *, content_type: bytes, headers: Iterable[Header] = ()) -> None:
        """Send a whole answer whose body is `pieces`, one after another and never joined."""
        pieces = [memoryview(piece) for piece in pieces]
        size = sum(map(len, pieces))
        self.status = 200
        self.bytes_sent = size
        self.finished = True
        send = self._send
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [
                    (b"content-type", content_type),
                    (b"content-length", b"%d" % size),
                    (b"x-request-id", self.request_id.encode("ascii")),
                    *headers,
                ],
            }
        )
        for piece in pieces:
            # What the socket does not take at once is copied by the transport, so it must not be given much at once.
            for start in range(0, len(piece), SLICE_BYTES):
                await send({"type": "http.response.body", "body": piece[start : start + SLICE_BYTES], "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def start_events(self) -> None:
        """Begin a stream of server-sent events."""
        self.status = 200
        await self._send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [
                    (b"content-type", EVENT_STREAM),
                    (b"cache-control", b"no-cache"),
                    (b"x-accel-buffering", b"no"),
                    (b"x-request-id", self.request_id.encode("ascii")),
                ],
            }
        )

    async def write(self, data: bytes) -> None:
        """Send a piece of a stream. Waits while the client reads more slowly than we write."""
        self.bytes_sent += len(data)
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def finish(self) -> None:
        self.finished = True
        await self._send({"type": "http.response.body", "body": b""})


class Lookout:
    """Which watches are to begin listening, and when: one timer for all of them, since it costs more to set than most last."""

    def __init__(self) -> None:
        self._waiting: deque[DisconnectWatch] = deque()
        self._expecting = False
        self._loop: asyncio.AbstractEventLoop | None = None

    def current_task(self) -> asyncio.Task[Any] | None:
        """As asyncio's own, which asks the system for the process's number each time it has to find the loop."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        return asyncio.current_task(self._loop)

    def add(self, watch: DisconnectWatch, loop: asyncio.AbstractEventLoop) -> None:
        """Have `watch` listen if it is not over in LISTEN_AFTER_S."""
        watch.due = loop.time() + LISTEN_AFTER_S
        self._waiting.append(watch)
        if not self._expecting:
            self._expecting = True
            loop.call_at(watch.due, self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        waiting = self._waiting
        now = loop.time()
        while waiting and (waiting[0].over or waiting[0].due <= now):
            watch = waiting.popleft()
            if not watch.over:
                watch.listen()
        self._expecting = bool(waiting)
        if waiting:
            loop.call_at(waiting[0].due, self._look, loop)


class DisconnectWatch:
    """Listens for the end of the connection while the enclosed block works, and then cancels the block.

    Listening takes a task, which would cost a tenth of a small request, so it begins only with work that is not over at once.
    """

    __slots__ = ("_cancelling", "_gone", "_listener", "_lookout", "_owner", "_receive", "due", "over")

    def __init__(self, receive: Receive, lookout: Lookout) -> None:
        self._receive = receive
        self._lookout = lookout
        self.due = 0.0
        self._gone = False
        self._listener: asyncio.Task[None] | None = None
        self.over = False

    def __enter__(self) -> Self:
        owner = self._lookout.current_task()
        assert owner is not None
        self._owner = owner
        self._cancelling = owner.cancelling()
        self._lookout.add(self, owner.get_loop())
        return self

    def __exit__(self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None) -> None:
        self.over = True
        if self._listener is not None:
            self._listener.cancel()
        if self._gone and self._owner.uncancel() <= self._cancelling and exc_type is asyncio.CancelledError:
            raise ClientGone from None

    def listen(self) -> None:
        self._listener = self._owner.get_loop().create_task(self._listen())

    async def _listen(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._gone = True
        self._owner.cancel()


def _require_json(content_type: bytes) -> None:
    if not _JSON_TYPE.fullmatch(content_type.strip()):
        said = f"is {content_type.decode('latin-1')!r}" if content_type else "is missing"
        raise UnsupportedMediaType(
            f"The content-type of the request {said}. This endpoint takes JSON: send the header 'content-type: application/json'."
        )


def _require_identity(encoding: bytes) -> None:
    if encoding.strip().lower() not in (b"", b"identity"):
        raise UnsupportedMediaType(
            f"The request body is compressed ({encoding.decode('latin-1')!r}), which this server does not take. Send it as it is."
        )


def _parse_length(length: bytes) -> int:
    if not length.isdigit():
        raise InvalidRequest("The content-length header is not a number.")
    # int() refuses absurdly long digit strings; so many bytes are too many anyway.
    return int(length[:18])
