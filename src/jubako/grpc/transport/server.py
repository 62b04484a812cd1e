"""The port: connections, and how they end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from jubako.access.guard import Guard
from jubako.grpc.transport.call import Call, Method
from jubako.grpc.transport.connection import Connection
from jubako.grpc.transport.status import Status
from jubako.grpc.transport.tls import CLOSING_S, Certificates


@dataclass(frozen=True)
class Limits:
    """Bounds on what a client may ask of the server.

    Attributes:
        max_message_bytes: Largest message that is taken.
        max_concurrent_streams: Most calls at once on one connection.
        keepalive_s: A connection that is silent for so long is asked for a sign of life.
        keepalive_timeout_s: It is closed if none comes within this time.
    """

    max_message_bytes: int
    max_concurrent_streams: int
    keepalive_s: float
    keepalive_timeout_s: float


class Server:
    """Answers the methods of `methods` by their paths.

    Args:
        fresh_id: Gives each call its identifier.
        answered: Called with each call that is over; its status is set.
        guard: Asks for keys; None: nobody is asked for one.
    """

    def __init__(
        self,
        methods: Mapping[str, Method],
        limits: Limits,
        fresh_id: Callable[[], str],
        answered: Callable[[Call], None],
        guard: Guard | None,
    ) -> None:
        self.methods = methods
        self.limits = limits
        self.fresh_id = fresh_id
        self.answered = answered
        self.guard = guard
        self._connections: set[Connection] = set()
        self._listening: asyncio.Server | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._draining = False

    async def start(self, address: str, port: int, *, shared: bool = False, tls: Certificates | None = None) -> int:
        """Listen, and return the port; `shared` with other processes of this server, and without TLS where `tls` is None.

        Raises:
            OSError: the port can't be had.
        """
        self._listening = await asyncio.get_running_loop().create_server(
            lambda: Connection(self),
            address,
            port,
            reuse_port=shared,
            backlog=2048,
            ssl=tls.context if tls is not None else None,
            ssl_handshake_timeout=tls.handshake_s if tls is not None else None,
            ssl_shutdown_timeout=CLOSING_S if tls is not None else None,
        )
        return int(self._listening.sockets[0].getsockname()[1])

    def drain(self) -> None:
        """Take no more connections and calls; those that have begun go on."""
        if self._draining:
            return
        self._draining = True
        if self._listening is not None:
            self._listening.close()
        for connection in list(self._connections):
            connection.drain()

    async def stop(self, grace_s: float) -> None:
        """Drain; what is not over after `grace_s` seconds ends with UNAVAILABLE."""
        self.drain()
        try:
            async with asyncio.timeout(grace_s):
                await self._idle.wait()
        except TimeoutError:
            for connection in list(self._connections):
                connection.stop(Status("UNAVAILABLE", "The server shut down before the answer was complete."))

    # For connections

    def joined(self, connection: Connection) -> None:
        self._connections.add(connection)
        self._idle.clear()
        if self._draining:
            connection.drain()

    def left(self, connection: Connection) -> None:
        self._connections.discard(connection)
        if not self._connections:
            self._idle.set()
