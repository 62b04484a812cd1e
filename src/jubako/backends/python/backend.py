"""Models of the user's own code: batched where ``infer`` is an ordinary function, request by request where it is not."""

from __future__ import annotations

import asyncio
import inspect

from jubako.backends.base import Backend, ModelSpec
from jubako.backends.python.calls import Models
from jubako.backends.python.direct import AsyncGeneratorModel, AsyncModel, GeneratorModel
from jubako.backends.python.engine import PythonEngine
from jubako.backends.python.user_model import UserModel
from jubako.backends.tensor.chosen import ChosenBackend
from jubako.backends.tensor.model import TensorBackend
from jubako.messages import ModelInfo


class PythonBackend(ChosenBackend):
    """A class of the user's, in the version folder."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        self._model: UserModel

    async def load(self) -> ModelInfo:
        models = Models(lambda: self.others, asyncio.get_running_loop())
        self._model = await asyncio.to_thread(UserModel.load, self.spec, models)
        await self._run_hook("load")
        await self._run_hook("warmup")
        self.answering = self._choose(self._model)
        return await self.answering.load()

    def _choose(self, model: UserModel) -> Backend:
        match model.interface.kind:
            case "sync":
                return TensorBackend(self.spec, PythonEngine(self.spec, model))
            case "async":
                return AsyncModel(self.spec, model)
            case "generator":
                return GeneratorModel(self.spec, model)
            case "async generator":
                return AsyncGeneratorModel(self.spec, model)

    async def close(self) -> None:
        await super().close()
        await self._run_hook("close")

    async def _run_hook(self, name: str) -> None:
        """Call an optional method of the user's class: one that is async on this loop, any other in a thread."""
        hook = self._model.hook(name)
        if hook is None:
            return
        if inspect.iscoroutinefunction(hook):
            await hook()
        else:
            await asyncio.to_thread(hook)
