"""Models of the user's own code: batched where ``infer`` is an ordinary function, request by request where it is not."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator

from jubako.backends.base import Backend, ModelSpec
from jubako.backends.python.calls import Models
from jubako.backends.python.direct import AsyncGeneratorModel, AsyncModel, DirectModel, GeneratorModel, SyncModel
from jubako.backends.python.interface import Kind
from jubako.backends.python.user_model import UserModel
from jubako.channel.frames import Load
from jubako.channel.server import CallContext
from jubako.messages import InferRequest, InferResult, ModelInfo

_DIRECT: dict[Kind, type[DirectModel]] = {
    "async": AsyncModel,
    "async generator": AsyncGeneratorModel,
    "generator": GeneratorModel,
    "sync": SyncModel,
}


class PythonBackend(Backend):
    """A class of the user's, in the version folder."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        self._model: UserModel
        self._answering: DirectModel

    async def load(self) -> ModelInfo:
        models = Models(lambda: self.others, asyncio.get_running_loop())
        self._model = await asyncio.to_thread(UserModel.load, self.spec, models)
        await self._run_hook("load")
        self._answering = _DIRECT[self._model.interface.kind](self.spec, self._model)
        await self._run_hook("warmup")
        return ModelInfo(signature=self._model.signature)

    async def close(self) -> None:
        await self._run_hook("close")

    def current_load(self) -> Load:
        return self._answering.current_load()

    async def infer(self, request: InferRequest, call: CallContext) -> InferResult:
        return await self._answering.infer(request, call)

    def infer_stream(self, request: InferRequest, call: CallContext) -> AsyncIterator[InferResult]:
        return self._answering.infer_stream(request, call)

    async def _run_hook(self, name: str) -> None:
        """Call an optional method of the user's class: one that is async on this loop, any other in a thread."""
        hook = self._model.hook(name)
        if hook is None:
            return
        if inspect.iscoroutinefunction(hook):
            await hook()
        else:
            await asyncio.to_thread(hook)
