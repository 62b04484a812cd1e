"""A data plane in memory, so that the gateway can be tested alone: it answers with what it was asked."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

from jubako.channel.frames import Load
from jubako.dataplane.instances import InstanceActivity
from jubako.errors import ModelNotReady
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
    ModelInfo,
    Parameter,
    Request,
    ScoreRequest,
    ScoreResult,
    SharedRegion,
    Snapshot,
    StatisticsResult,
    Timings,
    TokenizeRequest,
    TokenizeResult,
    TokenLogprob,
    TopLogprob,
    Usage,
    VersionStatus,
)
from jubako.routing.catalog import Catalog
from jubako.tensors import Signature, Tensor, TensorSpec

CHAT = VersionStatus(
    model="talk",
    version=2,
    state="READY",
    served_names=["talk:2b", "Org/Talk-2B"],
    tasks=["chat", "completion"],
    backend="echo",
    info=ModelInfo(context_length=2048),
    config='{"name":"talk"}',
    created=1_700_000_000,
)
EMBED = VersionStatus(model="embed", version=1, state="READY", served_names=[], tasks=["embedding"], backend="echo")
RANK = VersionStatus(model="rank", version=1, state="READY", served_names=[], tasks=["score"], backend="echo")
SORT = VersionStatus(model="sort", version=1, state="READY", served_names=[], tasks=["classify"], backend="echo")


def identity(model: str = "identity", version: int = 1, *, decoupled: bool = False, batch: int = 8) -> VersionStatus:
    """A model that gives each input back as an output of the same name."""
    tensors = [TensorSpec(name="INPUT0", datatype="FP32", shape=[16]), TensorSpec(name="text_input", datatype="BYTES", shape=[1])]
    signature = Signature(inputs=tensors, outputs=tensors, max_batch_size=batch, decoupled=decoupled, platform="python")
    return VersionStatus(
        model=model,
        version=version,
        state="READY",
        served_names=[],
        tasks=["infer"],
        backend="python",
        info=ModelInfo(signature=signature),
        config=f'{{"name":"{model}","max_batch_size":{batch}}}',
    )


class FakePlane:
    """Remembers each request in `asked`. `events` are what generations answer, one batch each; None echoes the last message.

    With `gate` closed nothing is answered; it closes after `close_gate_after` batches. `begun` and `cancelled` tell when
    work starts and when it is given up. `fail_before` and `fail_after` are raised before the first batch and after the last.

    Tensors come back as they are, `answers` times in a stream, or `inferred` comes instead. `loads` tells what was loaded (+)
    and unloaded (-), and which aliases were set (=) and deleted (-).
    """

    def __init__(self) -> None:
        self.statuses = [CHAT, EMBED, RANK, SORT, identity(), identity(version=3), identity("many", decoupled=True)]
        self.is_ready = True
        self.asked: list[Request] = []
        self.callers: list[Caller] = []
        self.batches: list[list[GenerateEvent]] | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.begun = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.sent = 0
        self.close_gate_after = 0
        self.fail_before: Exception | None = None
        self.fail_after: Exception | None = None
        self.answers = 1
        self.inferred: InferResult | None = None
        self.counted = StatisticsResult()
        self.busy: dict[str, Load] = {}
        self.loads: list[str] = []
        self.shared: list[SharedRegion] = []

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[FakePlane]:
        yield self

    def models(self) -> list[VersionStatus]:
        return list({status.model: status for status in self.statuses}.values())

    def model(self, name: str) -> VersionStatus:
        return Catalog(Snapshot(serial=1, versions=self.statuses)).find(name)

    def ready(self) -> bool:
        return self.is_ready

    def index(self) -> list[VersionStatus]:
        return self.statuses

    def signature(self, version: VersionStatus) -> Signature:
        if version.info is None or version.info.signature is None:
            raise ModelNotReady(f"The model {version.model!r} is loading.", retry_after_s=1)
        return version.info.signature

    async def metrics(self) -> bytes:
        return b"# HELP jubako_requests_total Requests.\n"

    async def statistics(self, name: str) -> StatisticsResult:
        self.model(name)
        return self.counted

    async def activity(self, version: VersionStatus) -> list[InstanceActivity]:
        return [InstanceActivity.of(each, self.busy.get(each.id), self.counted) for each in version.instances]

    async def load(self, model: str) -> None:
        self.model(model)
        self.loads.append(f"+{model}")

    async def unload(self, model: str) -> None:
        self.model(model)
        self.loads.append(f"-{model}")

    async def set_alias(self, model: str, alias: str, version: int) -> None:
        self.model(f"{model}:{version}")
        self.loads.append(f"{model}@{alias}={version}")

    async def delete_alias(self, model: str, alias: str) -> None:
        self.model(model)
        self.loads.append(f"-{model}@{alias}")

    def regions(self) -> list[SharedRegion]:
        return self.shared

    async def register_region(self, region: SharedRegion) -> None:
        self.shared.append(region)

    async def unregister_region(self, name: str | None) -> None:
        self.shared = [region for region in self.shared if name is not None and region.name != name]

    async def infer(self, request: InferRequest, caller: Caller) -> InferResult:
        await self._begin(request, caller)
        return self._inferred(request)

    async def infer_stream(self, request: InferRequest, caller: Caller) -> AsyncGenerator[list[InferResult]]:
        await self._begin(request, caller)
        for _ in range(self.answers):
            yield [self._inferred(request)]
        if self.fail_after is not None:
            raise self.fail_after

    async def generate(self, request: GenerateRequest, caller: Caller) -> GenerateResult:
        await self._begin(request, caller)
        return GenerateResult.from_events(event for batch in self._answer(request) for event in batch)

    async def stream(self, request: GenerateRequest, caller: Caller) -> AsyncGenerator[list[GenerateEvent]]:
        await self._begin(request, caller)
        try:
            for batch in self._answer(request):
                yield batch
                self.sent += 1
                if self.sent == self.close_gate_after:
                    self.gate.clear()
                await self._pass_gate()
        except GeneratorExit:
            self.cancelled.set()
            raise
        if self.fail_after is not None:
            raise self.fail_after

    async def embed(self, request: EmbedRequest, caller: Caller) -> EmbedResult:
        await self._begin(request, caller)
        return EmbedResult(vectors=[struct.pack("<3f", 0.5, -0.25, i) for i in range(len(request.inputs))], usage=Usage(7))

    async def score(self, request: ScoreRequest, caller: Caller) -> ScoreResult:
        await self._begin(request, caller)
        return ScoreResult(scores=[len(document) / 100 for document in request.documents], usage=Usage(7))

    async def classify(self, request: ClassifyRequest, caller: Caller) -> ClassifyResult:
        await self._begin(request, caller)
        return ClassifyResult(labels=["no", "yes"], probabilities=[[0.25, 0.75] for _ in request.inputs], usage=Usage(7))

    async def tokenize(self, request: TokenizeRequest, caller: Caller) -> TokenizeResult:
        await self._begin(request, caller)
        text = request.text or ""
        return TokenizeResult(tokens=list(text.encode()), context_length=2048, pieces=list(text) if request.with_pieces else [])

    async def detokenize(self, request: DetokenizeRequest, caller: Caller) -> DetokenizeResult:
        await self._begin(request, caller)
        return DetokenizeResult(text=" ".join(map(str, request.tokens)))

    async def _begin(self, request: Request, caller: Caller) -> None:
        self.asked.append(request)
        self.callers.append(caller)
        self.begun.set()
        await self._pass_gate()
        if self.fail_before is not None:
            raise self.fail_before

    async def _pass_gate(self) -> None:
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise

    def _inferred(self, request: InferRequest) -> InferResult:
        if self.inferred is not None:
            return self.inferred
        regions = {wanted.name: wanted.region for wanted in request.outputs}
        outputs = [
            Tensor(t.name, t.datatype, t.shape, t.data, regions.get(t.name))
            for t in request.inputs
            if not regions or t.name in regions
        ]
        return InferResult(outputs=outputs, parameters=echoed(request.parameters))

    def _answer(self, request: GenerateRequest) -> list[list[GenerateEvent]]:
        if self.batches is not None:
            return self.batches
        choices = request.n if isinstance(request, ChatRequest) else request.n * len(request.prompts)
        words = _text(request).split(" ")
        batches: list[list[GenerateEvent]] = [
            [Delta(index=i, text=word + " ", logprobs=_logprobs(word + " ", request.top_logprobs)) for i in range(choices)]
            for word in words
        ]
        ends: list[GenerateEvent] = [Delta(index=i, finish_reason="stop") for i in range(choices)]
        return [*batches, [*ends, Usage(len(words), len(words) * choices, 1), Timings()]]


def echoed(parameters: dict[str, Parameter]) -> dict[str, Parameter]:
    """Those that ask to be given back."""
    return {name: value for name, value in parameters.items() if name.startswith("echo")}


def _text(request: GenerateRequest) -> str:
    if isinstance(request, ChatRequest):
        content = request.messages[-1].content
        return content if isinstance(content, str) else "parts"
    return str(request.prompts[0])


def _logprobs(token: str, top: int | None) -> list[TokenLogprob]:
    if top is None:
        return []
    tops = [TopLogprob(token, -0.5, list(token.encode()))] * min(top, 1)
    return [TokenLogprob(token, -0.5, list(token.encode()), tops, 7)]
