"""How an instance asks the other models of the repository: instance to instance, not through a gateway."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import TypeVar

from jubako.channel.client import ChannelClient
from jubako.channel.server import CURRENT_CALLER
from jubako.errors import InstanceLost, InternalError
from jubako.messages import (
    Caller,
    InferRequest,
    InferResult,
    Request,
    Result,
    Snapshot,
    StreamEvent,
    VersionStatus,
)
from jubako.routing import text_tensors
from jubako.routing.fleet import Fleet
from jubako.routing.lateness import too_late
from jubako.tensors import Signature

R = TypeVar("R", bound=Result)

ANOTHER_MODEL = Caller("from-another-model")
"""Who asks, where that can't be told: code of a model in a thread of its own."""


class SnapshotFeed:
    """What the runner says of the repository, for a fleet. A slow reader misses what is no longer so.

    Args:
        heard: Is told the serial of each snapshot by which the fleet goes.
    """

    def __init__(self, heard: Callable[[int], None]) -> None:
        self._heard = heard
        self._latest: Snapshot | None = None
        self._news = asyncio.Event()

    def put(self, snapshot: Snapshot) -> None:
        self._latest = snapshot
        self._news.set()

    async def watch(self) -> AsyncGenerator[Snapshot]:
        while True:
            await self._news.wait()
            self._news.clear()
            assert self._latest is not None
            snapshot = self._latest
            yield snapshot
            # The next one is asked for, so this one holds.
            self._heard(snapshot.serial)


class RoutedModels:
    """The :class:`jubako.backends.base.OtherModels` of an instance: routed by a fleet of its own."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    async def infer(self, request: InferRequest) -> InferResult:
        version = await self._find(request.model)
        if not text_tensors.is_text(version):
            return _of_kind(await self._ask(request, version), InferResult)
        answer = await self._ask(text_tensors.text_request(request, version), version)
        assert isinstance(answer, text_tensors.TextResult)
        return text_tensors.tensors_of(answer)

    async def infer_stream(self, request: InferRequest) -> AsyncIterator[InferResult]:
        version = await self._find(request.model)
        if not text_tensors.is_text(version):
            async with aclosing(self._stream(request, version)) as events:
                async for event in events:
                    if isinstance(event, InferResult):
                        yield event
        elif text_tensors.generates(version) and text_tensors.wants_stream(request):
            async with aclosing(self._stream(text_tensors.generate_request(request, version), version)) as events:
                async for event in events:
                    if not isinstance(event, InferResult) and (piece := text_tensors.piece([event])) is not None:
                        yield piece
        else:
            yield await self.infer(request)

    async def signature(self, model: str) -> Signature:
        version = await self._find(model)
        if text_tensors.is_text(version):
            return text_tensors.signature(version)
        while version.info is None or version.info.signature is None:
            await self._fleet.choose_when_ready(version, model)
            version = self._fleet.catalog.find(model)
            if version.info is None:
                # Its instance was connected to before the snapshot that says so holds here.
                await self._fleet.changed()
                version = self._fleet.catalog.find(model)
        return version.info.signature

    async def _find(self, model: str) -> VersionStatus:
        """The version that `model` means, once the runner has said which there are."""
        await self._fleet.seen(0)
        return self._fleet.catalog.find(model)

    async def _ask(self, request: Request, version: VersionStatus) -> Result:
        caller = CURRENT_CALLER.get(ANOTHER_MODEL)
        deadline = _deadline(version, caller)
        try:
            async with asyncio.timeout_at(deadline):
                while True:
                    channel = await self._fleet.choose_when_ready(version, request.model)
                    with channel.call(request, stream=False, caller=caller) as call:
                        try:
                            return await call.result()
                        except InstanceLost:
                            if not call.untouched:
                                raise
        except TimeoutError:
            raise too_late(version, caller, deadline) from None

    async def _stream(self, request: Request, version: VersionStatus) -> AsyncGenerator[StreamEvent]:
        caller = CURRENT_CALLER.get(ANOTHER_MODEL)
        deadline = _deadline(version, caller)
        while True:
            channel = await self._channel_before(deadline, version, caller, request.model)
            with channel.call(request, stream=True, caller=caller, deadline=deadline) as call:
                try:
                    async for batch in call.batches():
                        for event in batch:
                            yield event
                    return
                except TimeoutError:
                    raise too_late(version, caller, deadline) from None
                except InstanceLost:
                    if not call.untouched:
                        raise

    async def _channel_before(self, deadline: float, version: VersionStatus, caller: Caller, model: str) -> ChannelClient:
        try:
            async with asyncio.timeout_at(deadline):
                return await self._fleet.choose_when_ready(version, model)
        except TimeoutError:
            raise too_late(version, caller, deadline) from None


def _deadline(version: VersionStatus, caller: Caller) -> float:
    return min(asyncio.get_running_loop().time() + version.timeout_s, caller.deadline)


def _of_kind(answer: Result, kind: type[R]) -> R:
    if not isinstance(answer, kind):
        raise InternalError(f"The other model answered with a {type(answer).__name__}.")
    return answer
