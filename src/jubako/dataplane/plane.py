"""The data plane: what HTTP, gRPC, the command line and the offline batch all call."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Sequence
from contextlib import aclosing
from typing import TypeVar
from weakref import WeakKeyDictionary

from jubako.channel.client import ChannelClient
from jubako.dataplane.control import Control
from jubako.dataplane.engine_metrics import InstanceMetrics
from jubako.dataplane.inference_metrics import VersionStatistics
from jubako.dataplane.instances import InstanceActivity
from jubako.dataplane.metrics import Measurement, Metrics
from jubako.dataplane.statistics import total
from jubako.dataplane.vllm_metrics import TextVersion
from jubako.errors import Forbidden, InstanceLost, JubakoError, ModelNotReady
from jubako.messages import (
    Caller,
    ChatRequest,
    ClassifyRequest,
    ClassifyResult,
    Delta,
    DetokenizeRequest,
    DetokenizeResult,
    EmbedRequest,
    EmbedResult,
    GenerateEvent,
    GenerateRequest,
    GenerateResult,
    InferRequest,
    InferResult,
    Request,
    Result,
    ScoreRequest,
    ScoreResult,
    SharedRegion,
    StatisticsRequest,
    StatisticsResult,
    StreamEvent,
    Timings,
    TokenizeRequest,
    TokenizeResult,
    Usage,
    VersionStatus,
)
from jubako.routing import text_tensors
from jubako.routing.fleet import Fleet
from jubako.routing.lateness import too_late
from jubako.runner.orders import Outcome
from jubako.tensors import Signature

log = logging.getLogger(__name__)

R = TypeVar("R", bound=Result)

STATISTICS_S = 5.0
"""Longest wait for what instances say of themselves. Prometheus waits for ten seconds."""


class DataPlane:
    """Answers requests from the instances of a fleet.

    A request goes to the least busy ready instance of the model that it names. If that instance dies while the request only
    waited in its queue, the request goes to another; if the engine had it already it fails with InstanceLost, because it may
    have been the reason. Cancelling the awaiting task, or closing the stream, cancels the work in the instance.

    Every method raises a :class:`jubako.errors.JubakoError` and nothing else.

    Args:
        shares_memory: Whether requests may name shared memory.
        statistics_s: Longest wait for what instances say of themselves.
    """

    def __init__(
        self,
        fleet: Fleet,
        metrics: Metrics,
        control: Control,
        *,
        shares_memory: bool = False,
        statistics_s: float = STATISTICS_S,
    ) -> None:
        self._fleet = fleet
        self._metrics = metrics
        self._control = control
        self._shares_memory = shares_memory
        self._statistics_s = statistics_s
        self._said: WeakKeyDictionary[ChannelClient, StatisticsResult] = WeakKeyDictionary()

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

    def index(self) -> list[VersionStatus]:
        """Every version of every model, those that are not loaded and entries that are broken included."""
        return self._fleet.catalog.versions

    def ready(self) -> bool:
        """Whether requests should be sent here: the server is not leaving, all that the repository held at the start has been
        loaded or given up, and every model that was loaded can answer."""
        snapshot = self._fleet.snapshot
        if snapshot is None or snapshot.draining:
            return False
        if not snapshot.started and any(version.state == "LOADING" for version in snapshot.versions):
            return False
        return all(self._answers(version) for version in self.models() if version.state in ("READY", "UNAVAILABLE"))

    def regions(self) -> list[SharedRegion]:
        """The shared memory that is registered."""
        snapshot = self._fleet.snapshot
        return snapshot.regions if snapshot is not None else []

    # What the runner can be told

    async def load(self, model: str) -> None:
        """Read the entry again and serve its versions; return once they can answer. A model that is served already goes on
        until its successor can.

        Raises:
            ModelNotFound: there is no such entry.
            ModelFailed: something in it can't be loaded; the message says why. What was served before still is.
        """
        await self._ordered(self._control.load(model))

    async def unload(self, model: str) -> None:
        """Serve the model no longer; return once its instances are gone. Calls in flight are finished first.

        Raises:
            ModelNotFound: there is no such entry.
        """
        await self._ordered(self._control.unload(model))

    async def set_alias(self, model: str, alias: str, version: int) -> None:
        """Let `alias` mean a version, which is loaded first if need be; return once new requests go there.

        Raises:
            InvalidRequest: the alias can't be one.
            ModelNotFound: there is no such entry, or no such version of it.
            ModelFailed: the version can't be loaded.
            Conflict: the repository can't be written. Whatever is raised, the alias means what it meant.
        """
        await self._ordered(self._control.set_alias(model, alias, version))

    async def delete_alias(self, model: str, alias: str) -> None:
        """Let `alias` mean nothing.

        Raises:
            NotFound: there is no such entry, or it has no such alias.
            Conflict: the repository can't be written; nothing has changed.
        """
        await self._ordered(self._control.delete_alias(model, alias))

    async def register_region(self, region: SharedRegion) -> None:
        """Let requests name shared memory of this machine.

        Raises:
            Forbidden: the server takes no shared memory.
            InvalidRequest: its name is taken, or there is no such shared memory, or it is shorter.
        """
        if not self._shares_memory:
            raise Forbidden(
                "This server takes no shared memory: it listens to other machines, or its setting `shared_memory` is off. "
                "Start it with --shared-memory on if all its callers may read and write the shared memory of its machine, "
                "or send the tensors themselves."
            )
        await self._ordered(self._control.register_region(region))

    async def unregister_region(self, name: str | None) -> None:
        """Forget the region `name`, or all of them. One that is not registered is none already."""
        await self._ordered(self._control.unregister_region(name))

    def signature(self, version: VersionStatus) -> Signature:
        """The tensors that a version takes and gives; for one of text, those of :mod:`jubako.routing.text_tensors`.

        Raises:
            ModelNotReady, ModelFailed: they are not known, because no instance has loaded it.
        """
        if version.info is not None and version.info.signature is not None:
            return version.info.signature
        if text_tensors.is_text(version):
            return text_tensors.signature(version)
        raise self._fleet.not_ready(version)

    async def statistics(self, name: str) -> StatisticsResult:
        """What the instances of the version that `name` means have done since they were loaded, added up."""
        version = self.model(name)
        found = await self._statistics([(version, channel) for channel in self._fleet.channels(version)])
        return total(list(found.values()))

    async def activity(self, version: VersionStatus) -> list[InstanceActivity]:
        """What each instance of a version is doing."""
        channels = {channel.name: channel for channel in self._fleet.channels(version)}
        found = await self._statistics([(version, channel) for channel in channels.values()])
        return [
            InstanceActivity.of(instance, channel.load if channel else None, found.get(channel) if channel else None)
            for instance in version.instances
            for channel in [channels.get(instance.id)]
        ]

    async def metrics(self) -> bytes:
        """The Prometheus page."""
        asked = [(version, channel) for version in self._fleet.catalog.versions for channel in self._fleet.channels(version)]
        # First, because with its answer each instance says how busy it is now.
        found = await self._statistics(asked)
        inference: list[VersionStatistics] = []
        texts: list[TextVersion] = []
        for version in self._fleet.catalog.versions:
            channels = self._fleet.channels(version)
            labels = (version.model, str(version.version))
            running, queued = sum(c.load.running for c in channels), sum(c.load.queued for c in channels)
            self._metrics.ready.labels(*labels).set(bool(channels))
            self._metrics.running.labels(*labels).set(running)
            self._metrics.queued.labels(*labels).set(queued)
            if text_tensors.generates(version):
                texts.append(TextVersion(version.model, version.version, running, queued, _kv_cache_usage(channels)))
            counted = [found[channel] for channel in channels if channel in found]
            if "infer" in version.tasks and channels:
                inference.append(VersionStatistics(version.model, version.version, total(counted)))
        engines = [
            InstanceMetrics(version.model, version.version, channel.name, found[channel].engine_metrics)
            for version, channel in asked
            if channel in found
        ]
        return self._metrics.page(inference, texts, engines)

    async def _ordered(self, order: Awaitable[Outcome]) -> None:
        """Return, or raise the runner's error, once what the order changed holds here."""
        outcome = await order
        await self._fleet.seen(outcome.serial)
        if outcome.error is not None:
            raise JubakoError.from_wire(outcome.error)

    async def _statistics(self, asked: Sequence[tuple[VersionStatus, ChannelClient]]) -> dict[ChannelClient, StatisticsResult]:
        """What each instance says, all asked at once. What one that is too busy to say anything soon said last still counts: were
        it left out, counters would fall, and who watches them would take that for a restart."""
        deadline = asyncio.get_running_loop().time() + self._statistics_s
        answers = await asyncio.gather(*(_say(version, channel, deadline) for version, channel in asked))
        for (_, channel), said in zip(asked, answers, strict=True):
            if said is not None:
                self._said[channel] = said
        return {channel: self._said[channel] for _, channel in asked if channel in self._said}

    # What can be asked

    async def generate(self, request: GenerateRequest, caller: Caller) -> GenerateResult:
        """Answer a chat or a completion whole."""
        return await self._call(request, caller, GenerateResult)

    async def infer(self, request: InferRequest, caller: Caller) -> InferResult:
        """Answer a tensor request; from a model of text, as :mod:`jubako.routing.text_tensors` says."""
        version = self.model(request.model)
        if text_tensors.is_text(version):
            return await self._infer_text(request, version, caller)
        return await self._call(request, caller, InferResult)

    async def infer_stream(self, request: InferRequest, caller: Caller) -> AsyncGenerator[list[InferResult]]:
        """Answer a tensor request as often as the model does: each item is all answers that have come since the last."""
        version = self.model(request.model)
        if not text_tensors.is_text(version):
            async with aclosing(self._stream(request, caller)) as batches:
                async for batch in batches:
                    yield [event for event in batch if isinstance(event, InferResult)]
        elif text_tensors.wants_stream(request) and text_tensors.generates(version):
            async with aclosing(self.stream(text_tensors.generate_request(request, version), caller)) as pieces:
                async for events in pieces:
                    if (piece := text_tensors.piece(events)) is not None:
                        yield [piece]
        else:
            yield [await self._infer_text(request, version, caller)]

    async def _infer_text(self, request: InferRequest, version: VersionStatus, caller: Caller) -> InferResult:
        asked = text_tensors.text_request(request, version)
        match asked:
            case EmbedRequest():
                return text_tensors.tensors_of(await self.embed(asked, caller))
            case ClassifyRequest():
                return text_tensors.tensors_of(await self.classify(asked, caller))
            case ScoreRequest():
                return text_tensors.tensors_of(await self.score(asked, caller))
            case _:
                return text_tensors.tensors_of(await self.generate(asked, caller))

    async def embed(self, request: EmbedRequest, caller: Caller) -> EmbedResult:
        return await self._call(request, caller, EmbedResult)

    async def score(self, request: ScoreRequest, caller: Caller) -> ScoreResult:
        return await self._call(request, caller, ScoreResult)

    async def classify(self, request: ClassifyRequest, caller: Caller) -> ClassifyResult:
        return await self._call(request, caller, ClassifyResult)

    async def tokenize(self, request: TokenizeRequest, caller: Caller) -> TokenizeResult:
        return await self._call(request, caller, TokenizeResult)

    async def detokenize(self, request: DetokenizeRequest, caller: Caller) -> DetokenizeResult:
        return await self._call(request, caller, DetokenizeResult)

    async def stream(self, request: GenerateRequest, caller: Caller) -> AsyncGenerator[list[GenerateEvent]]:
        """Answer a chat or a completion as it comes: each item is all events that have arrived since the last.

        Reading slowly slows this stream down and no other; closing the iterator cancels the work.
        """
        async with aclosing(self._stream(request, caller)) as batches:
            async for batch in batches:
                yield [event for event in batch if not isinstance(event, InferResult)]

    # How

    async def _stream(self, request: Request, caller: Caller) -> AsyncGenerator[list[StreamEvent]]:
        version = self.model(request.model)
        with self._metrics.of(version, _task(request)).measure() as measurement:
            channel = self._fleet.choose(version)
            deadline = min(channel.time() + version.timeout_s, caller.deadline)
            while True:
                with channel.call(request, stream=True, caller=caller, deadline=deadline) as call:
                    try:
                        async for batch in call.batches():
                            _observe(measurement, batch)
                            yield batch
                        return
                    except TimeoutError:
                        raise too_late(version, caller, deadline) from None
                    except InstanceLost:
                        if not call.untouched:
                            raise
                channel = await self._elsewhere(version, request.model, caller, deadline)

    async def _call(self, request: Request, caller: Caller, kind: type[R]) -> R:
        version = self.model(request.model)
        with self._metrics.of(version, _task(request)).measure() as measurement:
            channel = self._fleet.choose(version)
            deadline = min(channel.time() + version.timeout_s, caller.deadline)
            while True:
                with channel.call(request, stream=False, caller=caller, deadline=deadline) as call:
                    try:
                        result = await call.result()
                    except TimeoutError:
                        raise too_late(version, caller, deadline) from None
                    except InstanceLost:
                        if not call.untouched:
                            raise
                    else:
                        assert isinstance(result, kind), f"{type(result).__name__} instead of {kind.__name__}"
                        if isinstance(result, GenerateResult):
                            for choice in result.choices:
                                measurement.finished(choice.finish_reason)
                            _observe(measurement, [result.usage, result.timings])
                        elif isinstance(result, EmbedResult | ScoreResult | ClassifyResult):
                            measurement.usage(result.usage)
                        return result
                channel = await self._elsewhere(version, request.model, caller, deadline)

    async def _elsewhere(self, version: VersionStatus, name: str, caller: Caller, deadline: float) -> ChannelClient:
        """Another instance for a request that its first one lost untouched; waits for a replacement if need be."""
        try:
            async with asyncio.timeout_at(deadline):
                return await self._fleet.choose_when_ready(version, name)
        except TimeoutError:
            raise too_late(version, caller, deadline) from None

    def _answers(self, version: VersionStatus) -> bool:
        return version.state == "READY" and bool(self._fleet.channels(version))


def _task(request: Request) -> str:
    return "chat" if isinstance(request, ChatRequest) else request.__struct_config__.tag  # type: ignore[return-value]


async def _say(version: VersionStatus, channel: ChannelClient, deadline: float) -> StatisticsResult | None:
    """What one instance has done; None if it does not say so by `deadline`."""
    with contextlib.suppress(TimeoutError, JubakoError):
        request = StatisticsRequest(model=version.model)
        with channel.call(request, stream=False, caller=Caller("statistics"), deadline=deadline) as call:
            result = await call.result()
            assert isinstance(result, StatisticsResult)
            return result
    return None


def _kv_cache_usage(channels: Sequence[ChannelClient]) -> float | None:
    known = [channel.load.kv_cache_usage for channel in channels if channel.load.kv_cache_usage is not None]
    return sum(known) / len(known) if known else None


def _observe(measurement: Measurement, events: Sequence[StreamEvent]) -> None:
    for event in events:
        if isinstance(event, Delta):
            if event.finish_reason is not None:
                measurement.finished(event.finish_reason)
        elif isinstance(event, Usage):
            measurement.generated(event)
        elif isinstance(event, Timings):
            measurement.timings(event)
