"""A model written for Triton's Python backend: batched, or decoupled where its configuration says so."""

from __future__ import annotations

import asyncio

from jubako.backends.tensor.chosen import ChosenBackend
from jubako.backends.triton_python.batched import BatchedModel, TritonEngine
from jubako.backends.triton_python.calls import Calls
from jubako.backends.triton_python.decoupled import DecoupledModel
from jubako.backends.triton_python.model import TritonModel
from jubako.messages import ModelInfo


class TritonPythonBackend(ChosenBackend):
    """``TritonPythonModel`` of a ``model.py``."""

    async def load(self) -> ModelInfo:
        calls = Calls(lambda: self.others, asyncio.get_running_loop())
        model = await asyncio.to_thread(TritonModel.load, self.spec, calls)
        if model.signature.decoupled:
            self.answering = DecoupledModel(self.spec, model)
        else:
            self.answering = BatchedModel(self.spec, TritonEngine(self.spec, model))
        return await self.answering.load()
