"""An upstream backend under test, asked in the ways of the channel."""

from __future__ import annotations

from typing import Any

import pytest

from jubako.backends.base import ModelSpec
from jubako.backends.declarations import BACKENDS
from jubako.backends.openai.backend import OpenAIBackend
from jubako.errors import (
    JubakoError,
)
from jubako.messages import (
    Caller,
    ChatRequest,
    Choice,
    GenerateRequest,
    GenerateResult,
    Message,
    StatisticsResult,
)
from jubako.repository.validation import check_engine

KEY = "sk-secret-0123456789"
HI = ChatRequest(model="m", messages=[Message(role="user", content="Hi")])
QUICK = {"base_s": 0.01, "cap_s": 0.5}
ALL_TASKS = ["chat", "completion", "embedding", "score", "classify"]


class Call:
    caller = Caller("test")

    def __init__(self, *, stream: bool) -> None:
        self.stream = stream

    def queued(self) -> None: ...

    def started(self) -> None: ...


class Opened:
    """A loaded backend, asked in the ways of the channel."""

    def __init__(self, backend: OpenAIBackend) -> None:
        self.backend = backend

    async def whole(self, request: GenerateRequest = HI) -> GenerateResult:
        return await self._answer(request, stream=False)

    async def streamed(self, request: GenerateRequest = HI) -> GenerateResult:
        return await self._answer(request, stream=True)

    async def only(self, request: GenerateRequest = HI, *, stream: bool = True) -> Choice:
        (choice,) = (await self._answer(request, stream=stream)).choices
        return choice

    async def fails(self, request: GenerateRequest = HI, *, stream: bool = True) -> JubakoError:
        with pytest.raises(JubakoError) as caught:
            await self._answer(request, stream=stream)
        assert self.idle
        return caught.value

    @property
    def idle(self) -> bool:
        load = self.backend.current_load()
        return (load.running, load.queued) == (0, 0)

    async def _answer(self, request: GenerateRequest, *, stream: bool) -> GenerateResult:
        return GenerateResult.from_events([e async for e in self.backend.generate(request, Call(stream=stream))])


class Opener:
    """Loads backends; all are closed at the end of the test."""

    def __init__(self) -> None:
        self.opened: list[OpenAIBackend] = []

    async def __call__(self, url: str | None, *, spec: dict[str, Any] | None = None, **params: Any) -> Opened:
        given = ({"base_url": url} if url else {}) | {"retries": QUICK} | params
        checked = check_engine(BACKENDS["openai"].params, given)
        assert checked.value is not None, checked.faults
        fields: dict[str, Any] = {
            "model": "m",
            "version": 1,
            "implementation": BACKENDS["openai"].implementation,
            "tasks": ["chat"],
            "params": checked.value,
        }
        backend = OpenAIBackend(ModelSpec(**(fields | (spec or {}))))
        await backend.load()
        self.opened.append(backend)
        return Opened(backend)


def metric_of(opened: Opened, name: str, **labels: str) -> float:
    statistics = opened.backend.statistics()
    assert isinstance(statistics, StatisticsResult)
    samples = [sample for metric in statistics.engine_metrics for sample in metric.samples if metric.name == name]
    return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())
