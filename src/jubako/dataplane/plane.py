"""The data plane: what HTTP, gRPC, the command line and the offline batch all call."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from typing import TypeVar

from jubako.channel.client import ChannelClient
from jubako.dataplane.metrics import Measurement, Metrics
from jubako.errors import DeadlineExceeded, InstanceLost, ModelNotReady
from jubako.messages import (
    ChatRequest,
    DetokenizeRequest,
    DetokenizeResult,
    EmbedRequest,
    EmbedResult,
    GenerateEvent,
    GenerateRequest,
    GenerateResult,
    Request,
    Result,
    Timings,
    TokenizeRequest,
    TokenizeResult,
    Usage,
    VersionStatus,
)
from jubako.routing.fleet import Fleet

log = logging.getLogger(__name__)

R = TypeVar("R", bound=Result)


class DataPlane:
    """Answers requests from the instances of a fleet.

    A request goes to the least busy ready instance of the model that it names. If that instance dies while the request only
    waited in its queue, the request goes to another; if the engine had it already it fails with InstanceLost, because it may
    have been the reason. Cancelling the awaiting task, or closing the stream, cancels the work in the instance.

    Every method raises a :class:`jubako.errors.JubakoError` and nothing else.
    """

    def __init__(self, fleet: Fleet, metrics: Metrics) -> None:
        self._fleet = fleet
        self._metrics = metrics

    # What there is

    def models(self) -> list[VersionStatus]:
        """The current version of each model."""
        return self._fleet.catalog.models

    def model(self, name: str) -> VersionStatus:
        """The version that `name` means.

        Raises:
            ModelNotFound: no model has that name; the message has the nearest ones.
            ModelNotReady: the runner has not yet said which models there are.
        """
        if self._fleet.snapshot is None:
            raise ModelNotReady("The server is starting. Try again in a moment.", retry_after_s=1)
        return self._fleet.catalog.find(name)

    def ready(self) -> bool:
        """Whether requests should be sent here: the server is not leaving, and every model that can still load has."""
        snapshot = self._fleet.snapshot
        if snapshot is None or snapshot.draining:
            return False
        return all(self._answers(version) for version in self.models() if version.state != "FAILED")

    def metrics(self) -> bytes:
        """The Prometheus page."""
        for version in self.models():
            channels = self._fleet.channels(version)
            labels = (version.model, str(version.version))
            self._metrics.ready.labels(*labels).set(bool(channels))
            self._metrics.running.labels(*labels).set(sum(channel.load.running for channel in channels))
            self._metrics.queued.labels(*labels).set(sum(channel.load.queued for channel in channels))
        return self._metrics.page()

    # What can be asked

    async def generate(self, request: GenerateRequest, request_id: str) -> GenerateResult:
        """Answer a chat or a completion whole."""
        return await self._call(request, request_id, GenerateResult)

    async def embed(self, request: EmbedRequest, request_id: str) -> EmbedResult:
        return await self._call(request, request_id, EmbedResult)

    async def tokenize(self, request: TokenizeRequest, request_id: str) -> TokenizeResult:
        return await self._call(request, request_id, TokenizeResult)

    async def detokenize(self, request: DetokenizeRequest, request_id: str) -> DetokenizeResult:
        return await self._call(request, request_id, DetokenizeResult)

    async def stream(self, request: GenerateRequest, request_id: str) -> AsyncGenerator[list[GenerateEvent]]:
        """Answer a chat or a completion as it comes: each item is all events that have arrived since the last.

        Reading slowly slows this stream down and no other; closing the iterator cancels the work.
        """
        version = self.model(request.model)
        deadline = _deadline(version)
        with self._metrics.of(version, _task(request)).measure() as measurement:
            channel = self._fleet.choose(version)
            while True:
                with channel.call(request, stream=True, request_id=request_id, deadline=deadline) as call:
                    try:
                        async for batch in call.batches():
                            _observe(measurement, batch)
                            yield batch
                        return
                    except TimeoutError:
                        raise _too_late(version) from None
                    except InstanceLost:
                        if not call.untouched:
                            raise
                channel = await self._elsewhere(version, deadline)

    # How

    async def _call(self, request: Request, request_id: str, kind: type[R]) -> R:
        version = self.model(request.model)
        deadline = _deadline(version)
        with self._metrics.of(version, _task(request)).measure() as measurement:
            channel = self._fleet.choose(version)
            while True:
                with channel.call(request, stream=False, request_id=request_id, deadline=deadline) as call:
                    try:
                        result = await call.result()
                    except TimeoutError:
                        raise _too_late(version) from None
                    except InstanceLost:
                        if not call.untouched:
                            raise
                    else:
                        assert isinstance(result, kind), f"{type(result).__name__} instead of {kind.__name__}"
                        if isinstance(result, GenerateResult):
                            _observe(measurement, [result.usage, result.timings])
                        elif isinstance(result, EmbedResult):
                            measurement.usage(result.usage)
                        return result
                channel = await self._elsewhere(version, deadline)

    async def _elsewhere(self, version: VersionStatus, deadline: float) -> ChannelClient:
        """Another instance for a request that its first one lost untouched; waits for a replacement if need be."""
        try:
            async with asyncio.timeout_at(deadline):
                return await self._fleet.choose_when_ready(version)
        except TimeoutError:
            raise _too_late(version) from None

    def _answers(self, version: VersionStatus) -> bool:
        return version.state == "READY" and bool(self._fleet.channels(version))


def _task(request: Request) -> str:
    return "chat" if isinstance(request, ChatRequest) else request.__struct_config__.tag  # type: ignore[return-value]


def _deadline(version: VersionStatus) -> float:
    return asyncio.get_running_loop().time() + version.timeout_s


def _too_late(version: VersionStatus) -> DeadlineExceeded:
    return DeadlineExceeded(
        f"The request took longer than {version.timeout_s:g} seconds, the limit of the model {version.model!r} "
        "(limits.timeout_s of its entry)."
    )


def _observe(measurement: Measurement, events: list[GenerateEvent]) -> None:
    for event in events:
        if isinstance(event, Usage):
            measurement.usage(event)
        elif isinstance(event, Timings):
            measurement.timings(event)
