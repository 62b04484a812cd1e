"""Everything about answering from another server that does not depend on its protocol."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import AsyncIterator, Mapping
from typing import ClassVar, Generic, Literal, TypeVar

from aiohttp import ClientSession

from jubako.backends.admission import Admission
from jubako.backends.base import Backend, ModelSpec
from jubako.backends.upstream.client import Body, UpstreamClient
from jubako.backends.upstream.estimate import estimate
from jubako.backends.upstream.metrics import metrics_of
from jubako.backends.upstream.params import UpstreamParams
from jubako.backends.upstream.presets import preset_for
from jubako.backends.upstream.rate import Allowance, RateLimits
from jubako.backends.upstream.reader import AnswerReader
from jubako.backends.upstream.secret import Redaction
from jubako.backends.upstream.session import open_session
from jubako.backends.upstream.sse import EventReader
from jubako.backends.upstream.tally import Tally
from jubako.backends.upstream.target import Target, looks_secret
from jubako.channel.frames import Load
from jubako.channel.server import CallContext
from jubako.errors import ConfigurationError, Unsupported
from jubako.messages import (
    Caller,
    ChatRequest,
    GenerateEvent,
    GenerateRequest,
    ModelInfo,
    StatisticsResult,
)

DEFAULT_CAPACITY = 128
"""Requests at once, where the entry's `limits.max_concurrency` says nothing: an upstream does not say how many it takes."""

_PROBE_TIMEOUT_S = 10.0

_WORDS = {
    "chat": "chat",
    "completion": "completions",
    "embedding": "embeddings",
    "score": "scores",
    "classify": "classification",
    "tokenize": "tokenization",
    "detokenize": "tokenization",
}

_OWN_FIELDS = {"model", "messages", "prompt", "input", "stream", "stream_options", "n", "tools"}
"""Fields of bodies that requests decide."""

P = TypeVar("P", bound=UpstreamParams)


class UpstreamBackend(Backend, Generic[P]):
    """A backend over other servers. A subclass knows their protocol.

    It is ready without the network: an upstream that is down fails requests, never the entry.
    """

    protocol: ClassVar[Literal["openai", "anthropic"]]

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        self._params = params = self.read_params()
        has_url = params.base_url is not None or bool(params.upstreams)
        self._preset = preset_for(params.provider, self.protocol, has_url=has_url)
        self._redact = Redaction()
        self._targets: list[Target] = []
        self._probes: list[asyncio.Task[None]] = []
        self._session: ClientSession
        self._client: UpstreamClient
        self._admission = Admission(spec.max_concurrency or DEFAULT_CAPACITY, spec.max_queue_size, spec.queue_timeout_s)
        self._rates = RateLimits(params.requests_per_minute, params.tokens_per_minute, spec.queue_timeout_s or params.timeout_s)

    # What a protocol says

    @abstractmethod
    def read_params(self) -> P:
        """The entry's parameters, of the protocol's own type."""

    @abstractmethod
    def fixed_headers(self) -> Mapping[str, str]:
        """Headers of every request that are the protocol's own."""

    @abstractmethod
    def check_entry(self) -> None:
        """See whether what the entry says fits the provider.

        Raises:
            ConfigurationError: it does not.
        """

    @abstractmethod
    def body_of(self, request: GenerateRequest, *, stream: bool) -> Body:
        """The request in the protocol's words.

        Raises:
            InvalidRequest: the provider can't be asked for this.
        """

    @abstractmethod
    def reader_of(self, request: GenerateRequest, name: str) -> AnswerReader:
        """Who reads the answer to `request` of the upstream `name`."""

    # What an instance asks

    async def load(self) -> ModelInfo:
        params = self._params
        if params.upstreams and params.base_url:
            raise ConfigurationError("The entry has both `base_url` and `upstreams`. Leave `base_url` out.")
        _check_extra(params.extra_body)
        self._check_tasks()
        self.check_entry()
        self._targets = [
            Target(params, own, self._preset, self._redact, model=self.spec.model, headers=self.fixed_headers())
            for own in (params.upstreams or (None,))
        ]
        self._session = open_session(params)
        self._client = UpstreamClient(self._session, self._targets, params, self._redact)
        if params.probe_interval_s is not None:
            self._probes = [asyncio.create_task(self._probe(target, params.probe_interval_s)) for target in self._targets]
        return ModelInfo(context_length=params.context_length)

    async def close(self) -> None:
        for probe in self._probes:
            probe.cancel()
        await self._session.close()

    def current_load(self) -> Load:
        admission, waiting = self._admission, self._rates.waiting
        # Time counts as progress: every wait for an upstream has an end of its own, and while the event loop turns none is
        # forgotten. An instance that waits for a slow upstream must not be taken for one that hangs.
        progress = self._client.received + int(asyncio.get_running_loop().time())
        return Load(admission.running - waiting, admission.queued + waiting, admission.capacity, progress)

    def statistics(self) -> StatisticsResult:
        return StatisticsResult(engine_metrics=metrics_of(self._targets, self._client.retries))

    async def generate(self, request: GenerateRequest, call: CallContext) -> AsyncIterator[GenerateEvent]:
        tally = Tally()
        path = self.path_of("chat" if isinstance(request, ChatRequest) else "completion")
        body = self.body_of(request, stream=call.stream)
        with await self._admission.enter(call):
            allowance = await self._rates.enter(self._estimate(request))
            tally.admitted()
            async with await self._client.ask(path, body, stream=call.stream, caller=call.caller) as answer:
                reader = self.reader_of(request, answer.target.name)
                if call.stream:
                    events = EventReader()
                    while not reader.done and (chunk := await answer.chunk()):
                        for data in events.feed(chunk):
                            for delta in reader.event(data):
                                tally.arrived(delta.index)
                                yield delta
                    for data in events.close():
                        for delta in reader.event(data):
                            yield delta
                    for delta in reader.end():
                        yield delta
                    answer.is_complete()
                else:
                    for delta in reader.whole(await answer.body()):
                        yield delta
            usage = reader.usage
            allowance.settle(usage.prompt_tokens + usage.completion_tokens)
        yield usage
        yield tally.timings()

    # For requests that are answered whole

    async def ask(self, path: str, body: Body, call: CallContext, tokens: float) -> tuple[bytes, Allowance]:
        """The JSON that answers `body`, which will use about `tokens` tokens, and what is to be settled with their count."""
        with await self._admission.enter(call):
            allowance = await self._rates.enter(tokens)
            return await self.ask_at_once(path, body, call.caller), allowance

    async def ask_at_once(self, path: str, body: Body, caller: Caller | None = None) -> bytes:
        """The same for what costs the upstream next to nothing."""
        async with await self._client.ask(path, body, stream=False, caller=caller) as answer:
            return await answer.body()

    def path_of(self, task: str) -> str:
        """Where the provider serves a task.

        Raises:
            Unsupported: nowhere.
        """
        path: str = getattr(self._preset.paths, task)
        if not path:
            raise Unsupported(f"{self._preset.title} does not serve {_WORDS[task]}.", param="model")
        return path

    def _check_tasks(self) -> None:
        for task in self.spec.tasks:
            paths = self._preset.paths
            if not (paths.score or paths.rerank if task == "score" else getattr(paths, task, "")):
                raise ConfigurationError(
                    f"{self._preset.title} does not serve the task {task!r}, as far as is known. Leave it out of `tasks`."
                )

    def _estimate(self, request: GenerateRequest) -> float:
        if not self._rates.counts_tokens:
            return 0.0
        return estimate(request, request.sampling.max_tokens or self.spec.sampling.max_tokens)

    async def _probe(self, target: Target, interval_s: float) -> None:
        while True:
            await asyncio.sleep(interval_s)
            await self._client.probe(target, self._preset.paths.models, min(interval_s, _PROBE_TIMEOUT_S))


def _check_extra(extra: Mapping[str, object]) -> None:
    for name in extra:
        if name in _OWN_FIELDS:
            raise ConfigurationError(f"`extra_body` can't have {name!r}: requests decide it. Leave it out.")
        if looks_secret(name):
            raise ConfigurationError(
                f"The field {name!r} of `extra_body` looks like a secret, which must not stand in an entry. Use `api_key_env` or "
                "`headers_env`."
            )
