"""Asks upstreams: chooses one, sends, and asks again or elsewhere where that may help."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from aiohttp import (
    ClientConnectionError,
    ClientConnectorError,
    ClientError,
    ClientHttpProxyError,
    ClientPayloadError,
    ClientResponse,
    ClientSession,
    ServerTimeoutError,
)
from multidict import CIMultiDict

from jubako.backends.upstream.answer import Answer, Traffic
from jubako.backends.upstream.balancer import Balancer
from jubako.backends.upstream.failure import Asked, Failure, failure_of
from jubako.backends.upstream.params import UpstreamParams
from jubako.backends.upstream.retry import RetryBudget, wait_before
from jubako.backends.upstream.secret import Redaction
from jubako.backends.upstream.target import Target
from jubako.errors import DeadlineExceeded, Overloaded, UpstreamFailed, UpstreamUnavailable
from jubako.messages import Caller

log = logging.getLogger(__name__)

Body = Callable[[str], bytes]
"""Makes the JSON of a request, for an upstream that calls the model so."""

_MAX_ERROR_BYTES = 256 * 1024
"""Of an error's body, more than this is not read."""


class UpstreamClient:
    """All upstreams of one entry.

    Attributes:
        retries: Requests that were asked again.
    """

    def __init__(self, session: ClientSession, targets: Sequence[Target], params: UpstreamParams, redact: Redaction) -> None:
        self._session = session
        self._targets = targets
        self._balancer = Balancer(targets, params.balance)
        self._params = params
        self._redact = redact
        self._budget = RetryBudget(params.retries.budget)
        self._traffic = Traffic()
        self._most_retries = max(params.retries.max, len(targets) - 1 if params.retries.max else 0)
        self.retries = 0

    @property
    def received(self) -> int:
        """Bytes of all answers so far."""
        return self._traffic.received

    async def ask(self, path: str, body: Body, *, stream: bool, caller: Caller | None = None) -> Answer:
        """The answer of the first upstream that gives one.

        Args:
            caller: On whose behalf: upstreams are told the identifier and the trace of its request.

        Raises:
            JubakoError: none does; what the last one said.
        """
        self._budget.request()
        tried: set[Target] = set()
        attempt = 0
        while True:
            target = self._balancer.choose(tried)
            try:
                return await self._attempt(target, path, body(target.model), stream=stream, caller=caller)
            except Failure as failure:
                tried.add(target)
                wait_s = self._wait_after(failure, attempt, tried)
                if wait_s is None:
                    if isinstance(failure.error, Overloaded) and failure.error.retry_after_s is None:
                        failure.error.retry_after_s = 1.0
                    raise failure.error from None
                log.warning("asked again in %.1f s: %s", wait_s, failure.error.message)
            attempt += 1
            self.retries += 1
            if wait_s:
                await asyncio.sleep(wait_s)

    def _wait_after(self, failure: Failure, attempt: int, tried: set[Target]) -> float | None:
        """Seconds before the next attempt; None where there is to be none."""
        elsewhere = failure.elsewhere and self._balancer.has_other(tried)
        if attempt >= self._most_retries or not (failure.again or elsewhere):
            return None
        wait_s = 0.0 if elsewhere else wait_before(attempt, self._params.retries, failure.error.retry_after_s)
        return wait_s if wait_s is not None and self._budget.take() else None

    async def _attempt(self, target: Target, path: str, body: bytes, *, stream: bool, caller: Caller | None) -> Answer:
        breaker = target.breaker
        breaker.enter()
        target.in_flight += 1
        try:
            answer = await self._send(target, path, body, stream=stream, caller=caller)
        except Failure as failure:
            target.in_flight -= 1
            if failure.broken:
                breaker.failed()
            else:
                breaker.succeeded()
            raise
        except BaseException:
            target.in_flight -= 1
            breaker.gave_up()
            raise
        if breaker.state != "closed":
            # A trial that is answered has shown enough, however long the answer takes.
            breaker.succeeded()
        return answer

    async def _send(self, target: Target, path: str, body: bytes, *, stream: bool, caller: Caller | None) -> Answer:
        params = self._params
        deadline = asyncio.get_running_loop().time() + params.timeout_s
        accept = "text/event-stream" if stream else "application/json"
        try:
            async with asyncio.timeout(min(params.first_byte_timeout_s, params.timeout_s) if stream else params.timeout_s):
                response = await self._session.post(
                    target.url(path),
                    data=body,
                    headers=_headers(target, accept, caller),
                    proxy=target.proxy,
                    proxy_headers=target.proxy_headers,
                    allow_redirects=False,
                )
                try:
                    first = await self._begin(target, response, stream=stream)
                except BaseException:
                    response.close()
                    raise
        except (ClientError, OSError) as error:
            target.outcomes["error"] += 1
            raise self._failure(error, target) from None
        target.outcomes[str(response.status)] += 1
        return Answer(target, response, first, deadline=deadline, idle_s=params.idle_timeout_s, traffic=self._traffic)

    async def _begin(self, target: Target, response: ClientResponse, *, stream: bool) -> bytes:
        """Check the head; the first bytes of a stream, so that one that breaks before them counts as not begun."""
        if not 200 <= response.status < 300:
            said = await _beginning(response)
            target.outcomes[str(response.status)] += 1
            wait = response.headers.get("Retry-After")
            raise failure_of(response.status, said, wait, Asked(target.name, target.model), self._redact)
        kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        wanted = "event-stream" if stream else "json"
        if kind and wanted not in kind:
            raise Failure(
                UpstreamFailed(
                    f"The upstream {target.name} answers with the content type {kind[:80]!r} where {wanted} belongs; "
                    "check `base_url` of the entry."
                ),
                elsewhere=True,
                broken=True,
            )
        if not stream:
            return b""
        if first := await response.content.readany():
            return first
        error = UpstreamFailed(f"The upstream {target.name} ended its answer before it began.")
        raise Failure(error, again=True, broken=True)

    def _failure(self, error: Exception, target: Target) -> Failure:
        match error:
            case ClientHttpProxyError():
                return Failure(
                    UpstreamUnavailable(f"The proxy to the upstream {target.name} answers with status {error.status}."),
                    again=True,
                    broken=True,
                )
            case ClientConnectorError():
                why = self._redact(error.os_error.strerror or str(error.os_error))
                return Failure(
                    UpstreamUnavailable(f"The upstream {target.name} can't be reached: {why}.", retry_after_s=1),
                    again=True,
                    broken=True,
                )
            case ServerTimeoutError():  # of the connection: there is no other timer in the session
                return Failure(
                    UpstreamUnavailable(
                        f"The upstream {target.name} can't be reached: connecting took longer than "
                        f"{self._params.connect_timeout_s:g} seconds.",
                        retry_after_s=1,
                    ),
                    again=True,
                    broken=True,
                )
            case TimeoutError():
                return Failure(
                    DeadlineExceeded(
                        f"The upstream {target.name} did not begin to answer within the time that the entry allows.",
                        code="upstream_timeout",
                    ),
                    broken=True,
                )
            case ClientConnectionError() | ClientPayloadError() | OSError():
                gone = UpstreamFailed(f"The upstream {target.name} closed the connection without an answer.")
                return Failure(gone, again=True, broken=True)
        return Failure(
            UpstreamFailed(f"The upstream {target.name} answers with what is no HTTP: {self._redact(str(error))[:200]}"),
            elsewhere=True,
            broken=True,
        )

    async def probe(self, target: Target, path: str, timeout_s: float) -> None:
        """Ask an upstream for its models, and tell its breaker whether it lives."""
        if not target.breaker.lets_through():
            return
        target.breaker.enter()
        try:
            async with (
                asyncio.timeout(timeout_s),
                self._session.get(
                    target.url(path),
                    headers=target.headers("application/json"),
                    proxy=target.proxy,
                    proxy_headers=target.proxy_headers,
                    allow_redirects=False,
                ) as response,
            ):
                lives = response.status < 500
        except (ClientError, OSError):
            lives = False
        except BaseException:
            target.breaker.gave_up()
            raise
        if lives:
            target.breaker.succeeded()
        else:
            target.breaker.failed()


def _headers(target: Target, accept: str, caller: Caller | None) -> CIMultiDict[str]:
    """The target's headers, and what its log should know of the caller; what the entry itself says goes before that."""
    fixed = target.headers(accept)
    if caller is None:
        return fixed
    headers = fixed.copy()
    traced = caller.trace.headers() if caller.trace is not None else {}
    for name, value in {"x-request-id": caller.request_id, **traced}.items():
        headers.setdefault(name, value)
    return headers


async def _beginning(response: ClientResponse) -> bytes:
    """The body of an error, as far as it is worth reading."""
    body = bytearray()
    while len(body) < _MAX_ERROR_BYTES and (chunk := await response.content.readany()):
        body += chunk
    return bytes(body)
