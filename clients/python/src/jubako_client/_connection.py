"""What a client is told once, and the connections that follow from it."""

from __future__ import annotations

import asyncio
import os
import threading
import uuid
from dataclasses import dataclass
from typing import Final

import grpc
import grpc.aio

from jubako_client._retry import Patience
from jubako_client.errors import InvalidRequest
from jubako_client.options import CallOptions
from jubako_client.tls import Tls

RECONNECTING: Final = (
    # A server that comes back is found again soon.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 3_000),
)
KEEPALIVE_SHARE: Final = 3
"""A connection has a third of the time between signs of life to answer one."""

Metadata = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Settings:
    """See :class:`jubako_client.Client`."""

    target: str
    api_key: str | None
    timeout_s: float | None
    retries: int
    tls: Tls | bool
    keepalive_s: float
    max_message_bytes: int

    def __post_init__(self) -> None:
        if self.api_key is not None and not _is_plain(self.api_key):
            raise ValueError("The key has characters that no key has. Is there a line break in it?")

    def attempt(self, options: CallOptions, idempotent: bool) -> tuple[Patience, str, Metadata]:
        """What holds for one call: its patience, its request id, and its metadata.

        Raises:
            InvalidRequest: an option can't be sent.
        """
        request_id = options.get("request_id") or f"req-{uuid.uuid4().hex}"
        metadata = [("x-request-id", _plain(request_id, "request_id"))]
        if (traceparent := options.get("traceparent")) is not None:
            metadata.append(("traceparent", _plain(traceparent, "traceparent")))
        if self.api_key is not None:
            metadata.append(("authorization", f"Bearer {self.api_key}"))
        retries = options.get("retries", self.retries) if idempotent else 0
        return Patience.of(retries, options.get("timeout_s", self.timeout_s)), request_id, tuple(metadata)

    def credentials(self) -> grpc.ChannelCredentials | None:
        """None where the connection is not encrypted."""
        if isinstance(self.tls, Tls):
            return self.tls.credentials()
        return Tls().credentials() if self.tls else None

    def channel_options(self) -> list[tuple[str, int | str]]:
        answer_ms = round(self.keepalive_s * 1000 / KEEPALIVE_SHARE)
        options: list[tuple[str, int | str]] = [
            *RECONNECTING,
            # Only while there are calls; idle connections are left in peace.
            ("grpc.keepalive_time_ms", round(self.keepalive_s * 1000)),
            ("grpc.keepalive_timeout_ms", answer_ms),
            # gRPC also sends pings to measure, and asks for no sign of life while it waits for one of them.
            ("grpc.http2.ping_timeout_ms", answer_ms),
            ("grpc.keepalive_permit_without_calls", 0),
            ("grpc.http2.max_pings_without_data", 0),
            # Not that of another client with the same target, which a fork may have left unusable.
            ("grpc.use_local_subchannel_pool", 1),
            # What may be sent, the server decides.
            ("grpc.max_send_message_length", -1),
            ("grpc.max_receive_message_length", self.max_message_bytes),
        ]
        if isinstance(self.tls, Tls) and self.tls.server_name is not None:
            options.append(("grpc.ssl_target_name_override", self.tls.server_name))
        return options


class Connection:
    """The connection of one process: one that was forked from it makes its own.

    Raises:
        OSError: a file of TLS can't be read.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._owner = os.getpid()
        self._channel = self._opened()
        self._inherited: list[grpc.Channel] = []

    def channel(self) -> grpc.Channel:
        if self._owner != os.getpid():
            with self._lock:
                if self._owner != os.getpid():
                    # Kept, because closing it would speak on a connection that is the parent's.
                    self._inherited.append(self._channel)
                    self._channel = self._opened()
                    self._owner = os.getpid()
        return self._channel

    def close(self) -> None:
        if self._owner == os.getpid():
            self._channel.close()

    def _opened(self) -> grpc.Channel:
        credentials = self._settings.credentials()
        if credentials is None:
            return grpc.insecure_channel(self._settings.target, self._settings.channel_options())
        return grpc.secure_channel(self._settings.target, credentials, self._settings.channel_options())


class AsyncConnection:
    """The connection of one event loop: the one that first asks for it.

    Raises:
        OSError: a file of TLS can't be read.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._credentials = settings.credentials()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._channel: grpc.aio.Channel | None = None

    def channel(self) -> grpc.aio.Channel:
        """
        Raises:
            RuntimeError: another event loop has used it.
        """
        loop = asyncio.get_running_loop()
        if self._channel is None:
            self._loop, self._channel = loop, self._opened()
        if self._loop is not loop:
            raise RuntimeError("This AsyncClient belongs to another event loop, which used it first. Make one for each loop.")
        return self._channel

    async def close(self) -> None:
        if self._channel is not None:
            await self._channel.close()

    def _opened(self) -> grpc.aio.Channel:
        if self._credentials is None:
            return grpc.aio.insecure_channel(self._settings.target, self._settings.channel_options())
        return grpc.aio.secure_channel(self._settings.target, self._credentials, self._settings.channel_options())


def _plain(value: str, param: str) -> str:
    if not _is_plain(value):
        raise InvalidRequest("It may have only characters of ASCII that can be printed.", param=param)
    return value


def _is_plain(value: str) -> bool:
    return value.isascii() and value.isprintable()
