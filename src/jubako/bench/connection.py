"""One HTTP connection that asks for streams and notes when each part of an answer came, and does no more while they run."""

from __future__ import annotations

import asyncio
import ssl
import time
from typing import cast
from urllib.parse import urlsplit

import httptools
from msgspec import Struct

from jubako.errors import ConfigurationError


class Answer(Struct, frozen=True):
    """An answer as it came. Times are those of :func:`time.perf_counter`.

    Attributes:
        sent_s: When the request was written.
        parts: What came of the body, and when.
        ended_s: When the last of it came.
    """

    status: int
    sent_s: float
    parts: list[tuple[float, bytes]]
    ended_s: float

    @property
    def body(self) -> bytes:
        return b"".join(part for _, part in self.parts)


class Address(Struct, frozen=True):
    """Where a server is, and what stands before the paths of its API."""

    host: str
    port: int
    tls: bool
    prefix: str

    @classmethod
    def of(cls, url: str) -> Address:
        """The address of a server whose API begins at `url`; a path that names no version, such as ``/v1``, gets that one.

        Raises:
            ConfigurationError: it is none.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            parts, port = urlsplit(""), None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigurationError(f"{url!r} is not the address of a server; it should look like http://127.0.0.1:3000.")
        prefix = parts.path.rstrip("/")
        last = prefix.rpartition("/")[2]
        if not (last[:1] == "v" and last[1:].isdecimal()):
            prefix += "/v1"
        tls = parts.scheme == "https"
        return cls(host=parts.hostname, port=port or (443 if tls else 80), tls=tls, prefix=prefix)

    def request(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> bytes:
        """The bytes of a request to `path` of the API."""
        lines = [
            f"{method} {self.prefix}{path} HTTP/1.1",
            f"host: {self.host}:{self.port}",
            f"content-length: {len(body)}",
            "content-type: application/json",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        return "\r\n".join([*lines, "", ""]).encode() + body


class Connection(asyncio.Protocol):
    """Made by :meth:`open`. One request at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.WriteTransport
        self._parser: httptools.HttpResponseParser
        self._parts: list[tuple[float, bytes]] = []
        self._done: asyncio.Future[None] | None = None
        self._now = 0.0
        self.is_open = False
        """Whether another request may be sent."""

    @classmethod
    async def open(cls, address: Address) -> Connection:
        """
        Raises:
            OSError: nobody answers there.
        """
        loop = asyncio.get_running_loop()
        context = ssl.create_default_context() if address.tls else None
        _, connection = await loop.create_connection(cls, address.host, address.port, ssl=context)
        return connection

    async def ask(self, request: bytes) -> Answer:
        """Send `request` and return once its answer is complete. Cancelling closes the connection.

        Raises:
            ConnectionError: the connection broke off before.
        """
        self._parser = httptools.HttpResponseParser(self)
        parts: list[tuple[float, bytes]] = []
        self._parts = parts
        self._done = asyncio.get_running_loop().create_future()
        sent = time.perf_counter()
        self._transport.write(request)
        try:
            await self._done
        except asyncio.CancelledError:
            self.close()
            raise
        finally:
            self._done = None
        if not self._parser.should_keep_alive():
            self.close()
        return Answer(self._parser.get_status_code(), sent, parts, self._now)

    def close(self) -> None:
        self.is_open = False
        self._transport.close()

    # --- what the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's are none by their class.
        self._transport = cast("asyncio.WriteTransport", transport)
        self.is_open = True

    def data_received(self, data: bytes) -> None:
        self._now = time.perf_counter()
        if self._done is None:
            self.close()  # what nobody asked for
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(f"the server does not answer in HTTP/1.1: {error}")
            self.close()

    def connection_lost(self, error: Exception | None) -> None:
        self.is_open = False
        self._fail(f"the connection broke off{f': {error}' if error else ''}")

    # --- what the parser calls

    def on_body(self, data: bytes) -> None:
        self._parts.append((self._now, data))

    def on_message_complete(self) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_result(None)

    def _fail(self, why: str) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_exception(ConnectionError(why))
