"""The data plane as one caller sees it: whatever goes by a model's name goes through here."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager, suppress

from jubako.access.guard import concerns_all
from jubako.access.key import Key
from jubako.dataplane.instances import InstanceActivity
from jubako.dataplane.protocol import Plane
from jubako.errors import ModelNotFound
from jubako.messages import (
    Caller,
    ClassifyRequest,
    ClassifyResult,
    DetokenizeRequest,
    DetokenizeResult,
    EmbedRequest,
    EmbedResult,
    GenerateEvent,
    GenerateRequest,
    GenerateResult,
    InferRequest,
    InferResult,
    ScoreRequest,
    ScoreResult,
    SharedRegion,
    Snapshot,
    StatisticsResult,
    TokenizeRequest,
    TokenizeResult,
    VersionStatus,
)
from jubako.routing.catalog import Catalog
from jubako.tensors import Signature


def seen_by(plane: Plane, key: Key | None) -> Plane:
    """`plane` for the caller with this key: itself where there are no keys, or this one is for every model."""
    return plane if key is None or not key.is_limited else LimitedPlane(plane, key)


class LimitedPlane:
    """Another plane, of which only the models of `key` are there; the others do not exist, in messages neither.

    A method that is given a version trusts it to come from here.
    """

    def __init__(self, plane: Plane, key: Key) -> None:
        self._plane = plane
        self._key = key

    def models(self) -> list[VersionStatus]:
        return self._visible(self._plane.models())

    def model(self, name: str) -> VersionStatus:
        with suppress(ModelNotFound):
            status = self._plane.model(name)
            if self._key.is_for(status.model):
                return status
        raise self._not_found(name)

    def index(self) -> list[VersionStatus]:
        return self._visible(self._plane.index())

    def ready(self) -> bool:
        return self._plane.ready()

    def signature(self, version: VersionStatus) -> Signature:
        return self._plane.signature(version)

    async def metrics(self) -> bytes:
        raise concerns_all(self._key)

    async def statistics(self, name: str) -> StatisticsResult:
        self.model(name)
        return await self._plane.statistics(name)

    async def activity(self, version: VersionStatus) -> list[InstanceActivity]:
        return await self._plane.activity(version)

    async def load(self, model: str) -> None:
        with self._entry(model):
            await self._plane.load(model)

    async def unload(self, model: str) -> None:
        with self._entry(model):
            await self._plane.unload(model)

    async def set_alias(self, model: str, alias: str, version: int) -> None:
        with self._entry(model):
            await self._plane.set_alias(model, alias, version)

    async def delete_alias(self, model: str, alias: str) -> None:
        with self._entry(model):
            await self._plane.delete_alias(model, alias)

    def regions(self) -> list[SharedRegion]:
        # Tensors of every model may lie in them.
        return []

    async def register_region(self, region: SharedRegion) -> None:
        raise concerns_all(self._key)

    async def unregister_region(self, name: str | None) -> None:
        raise concerns_all(self._key)

    async def generate(self, request: GenerateRequest, caller: Caller) -> GenerateResult:
        self.model(request.model)
        return await self._plane.generate(request, caller)

    async def stream(self, request: GenerateRequest, caller: Caller) -> AsyncGenerator[list[GenerateEvent]]:
        self.model(request.model)
        async with aclosing(self._plane.stream(request, caller)) as batches:
            async for batch in batches:
                yield batch

    async def infer(self, request: InferRequest, caller: Caller) -> InferResult:
        self.model(request.model)
        return await self._plane.infer(request, caller)

    async def infer_stream(self, request: InferRequest, caller: Caller) -> AsyncGenerator[list[InferResult]]:
        self.model(request.model)
        async with aclosing(self._plane.infer_stream(request, caller)) as batches:
            async for batch in batches:
                yield batch

    async def embed(self, request: EmbedRequest, caller: Caller) -> EmbedResult:
        self.model(request.model)
        return await self._plane.embed(request, caller)

    async def score(self, request: ScoreRequest, caller: Caller) -> ScoreResult:
        self.model(request.model)
        return await self._plane.score(request, caller)

    async def classify(self, request: ClassifyRequest, caller: Caller) -> ClassifyResult:
        self.model(request.model)
        return await self._plane.classify(request, caller)

    async def tokenize(self, request: TokenizeRequest, caller: Caller) -> TokenizeResult:
        self.model(request.model)
        return await self._plane.tokenize(request, caller)

    async def detokenize(self, request: DetokenizeRequest, caller: Caller) -> DetokenizeResult:
        self.model(request.model)
        return await self._plane.detokenize(request, caller)

    def _visible(self, versions: list[VersionStatus]) -> list[VersionStatus]:
        return [version for version in versions if self._key.is_for(version.model)]

    @contextmanager
    def _entry(self, name: str) -> Iterator[None]:
        """Around what concerns the entry of this name, which need not be in the index yet."""
        if not self._key.is_for(name):
            raise self._not_found(name)
        try:
            yield
        except ModelNotFound:
            if any(version.model == name for version in self.index()):
                raise
            # The runner's own words would name other entries.
            raise self._not_found(name) from None

    def _not_found(self, name: str) -> ModelNotFound:
        return Catalog(Snapshot(serial=0, versions=self.index())).not_found(name)
