"""What a client is told once, and the connections that follow from it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Final

import grpc
import grpc.aio

from jubako_client._retry import Patience
from jubako_client.options import CallOptions
from jubako_client.tls import Tls

KEEPALIVE: Final[tuple[tuple[str, int], ...]] = (
    # A dead connection is found within 80 seconds of a call; idle connections are left in peace.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 0),
    # A server that comes back is found again soon.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 3_000),
)


@dataclass(frozen=True)
class Settings:
    """See :class:`jubako_client.Client`."""

    target: str
    api_key: str | None
    timeout_s: float | None
    retries: int
    tls: Tls | None
    max_message_bytes: int

    def channel(self) -> grpc.Channel:
        if self.tls is None:
            return grpc.insecure_channel(self.target, self._options())
        return grpc.secure_channel(self.target, self.tls.credentials(), self._options())

    def aio_channel(self) -> grpc.aio.Channel:
        if self.tls is None:
            return grpc.aio.insecure_channel(self.target, self._options())
        return grpc.aio.secure_channel(self.target, self.tls.credentials(), self._options())

    def attempt(self, options: CallOptions, idempotent: bool) -> tuple[Patience, str, tuple[tuple[str, str], ...]]:
        """What holds for one call: its patience, its request id, and its metadata."""
        request_id = options.get("request_id") or f"req-{uuid.uuid4().hex}"
        metadata = [("x-request-id", request_id)]
        if self.api_key is not None:
            metadata.append(("authorization", f"Bearer {self.api_key}"))
        retries = options.get("retries", self.retries) if idempotent else 0
        return Patience.of(retries, options.get("timeout_s", self.timeout_s)), request_id, tuple(metadata)

    def _options(self) -> list[tuple[str, int | str]]:
        size: list[tuple[str, int | str]] = [
            # What may be sent, the server decides.
            ("grpc.max_send_message_length", -1),
            ("grpc.max_receive_message_length", self.max_message_bytes),
        ]
        if self.tls is not None and self.tls.server_name is not None:
            size.append(("grpc.ssl_target_name_override", self.tls.server_name))
        return [*KEEPALIVE, *size]
