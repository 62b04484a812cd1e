"""An upstream's answer, read as it comes."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from aiohttp import ClientError, ClientResponse

from jubako.backends.upstream.target import Target
from jubako.errors import DeadlineExceeded, UpstreamFailed

MAX_BYTES = 512 * 1024 * 1024
"""A longer answer that does not stream is a broken upstream."""

_REST_S = 1.0
"""How long the end of a stream may take once its last event has come, for the connection to be used again."""


class Traffic:
    """Bytes that have come, and the connections whose last bytes are still awaited."""

    def __init__(self) -> None:
        self.received = 0
        self._ending: set[asyncio.Task[None]] = set()

    def await_end(self, response: ClientResponse) -> None:
        """See a response to its end beside everything else."""
        task = asyncio.get_running_loop().create_task(_read_rest(response))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)


class Answer:
    """An answer with status 2xx, of which the head has come, and of a stream the first bytes.

    Use it with ``async with``: leaving the block gives the connection back or, if there is more to come, closes it at once, which
    tells the upstream to stop.

    Args:
        deadline: When all of it must have come, in the event loop's time.
    """

    def __init__(
        self, target: Target, response: ClientResponse, first: bytes, *, deadline: float, idle_s: float, traffic: Traffic
    ) -> None:
        self.target = target
        self._response = response
        self._first = first
        self._deadline = deadline
        self._idle_s = idle_s
        self._traffic = traffic
        self._complete = False

    async def body(self) -> bytes:
        """All of it.

        Raises:
            UpstreamFailed: it breaks off, or is longer than `MAX_BYTES`.
            DeadlineExceeded: it takes too long.
        """
        pieces: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout_at(self._deadline):
                while chunk := await self._response.content.readany():
                    pieces.append(chunk)
                    size += len(chunk)
                    self._traffic.received += len(chunk)
                    if size > MAX_BYTES:
                        raise UpstreamFailed(f"The upstream {self.target.name} sent an answer without an end.")
        except (ClientError, OSError) as error:
            raise self._broken(error) from None
        self._complete = True
        return b"".join(pieces)

    async def chunk(self) -> bytes:
        """The bytes that come next; empty at the end.

        Raises:
            UpstreamFailed: it breaks off.
            DeadlineExceeded: it pauses or takes too long.
        """
        chunk, self._first = self._first, b""
        if not chunk:
            content = self._response.content
            try:
                # What has come already needs no timer.
                chunk = content.read_nowait()
                if not chunk and not content.at_eof():
                    now = asyncio.get_running_loop().time()
                    async with asyncio.timeout_at(min(self._deadline, now + self._idle_s)):
                        chunk = await content.readany()
            except (ClientError, OSError) as error:
                raise self._broken(error) from None
        self._traffic.received += len(chunk)
        self._complete = self._complete or not chunk
        return chunk

    def is_complete(self) -> None:
        """Its last event has come: what may still follow is of no interest."""
        self._complete = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.target.in_flight -= 1
        if error is None and self._complete:
            self.target.breaker.succeeded()
            if not self._response.content.at_eof():
                self._traffic.await_end(self._response)
            return
        self._response.close()
        if isinstance(error, UpstreamFailed | DeadlineExceeded):
            self.target.outcomes["broken"] += 1
            self.target.breaker.failed()
        else:
            self.target.breaker.gave_up()

    def _broken(self, error: Exception) -> UpstreamFailed | DeadlineExceeded:
        if isinstance(error, TimeoutError):
            return DeadlineExceeded(
                f"The upstream {self.target.name} fell silent before its answer was complete.", code="upstream_timeout"
            )
        return UpstreamFailed(f"The upstream {self.target.name} broke off before its answer was complete.")


async def _read_rest(response: ClientResponse) -> None:
    try:
        async with asyncio.timeout(_REST_S):
            while await response.content.readany():
                pass
    except (ClientError, OSError):
        response.close()
