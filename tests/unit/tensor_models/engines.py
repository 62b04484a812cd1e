"""Small engines of tensor models, and a backend around one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping

import numpy as np
from msgspec.structs import replace

from jubako.backends.base import ModelSpec
from jubako.backends.tensor.engine import TensorEngine
from jubako.backends.tensor.model import TensorBackend
from jubako.messages import InferRequest, InferResult, Parameter
from jubako.repository.config import BatchingConfig
from jubako.tensors import Array, Arrays, Signature, TensorSpec, from_array, to_array

X = TensorSpec(name="x", datatype="FP32", shape=[-1])
Y = TensorSpec(name="y", datatype="FP32", shape=[-1])
SPEC = ModelSpec(model="m", version=1, implementation="", tasks=["infer"], max_queue_size=1000)


class Doubler(TensorEngine):
    """y = 2 x. Remembers the batches it computed; holds each while `gate` is closed."""

    signature = Signature(inputs=[X], outputs=[Y], max_batch_size=8)

    def __init__(self, spec: ModelSpec = SPEC) -> None:
        super().__init__(spec)
        self.batches: list[Arrays] = []
        self.parameters: list[Mapping[str, Parameter]] = []
        self.gate = threading.Event()
        self.gate.set()

    def load(self) -> Signature:
        return self.signature

    def run(self, inputs: Arrays, wanted: frozenset[str], parameters: Mapping[str, Parameter]) -> Arrays:
        self.gate.wait(20)
        self.batches.append(inputs)
        self.parameters.append(parameters)
        if any(np.isnan(array).any() for array in inputs.values()):
            raise RuntimeError("the engine does not like this")
        return {"y": 2 * inputs["x"].astype(np.float32)}


async def loaded(engine: TensorEngine, batching: BatchingConfig | None = None) -> TensorBackend:
    backend = TensorBackend(replace(engine.spec, batching=batching or BatchingConfig()), engine)
    await backend.load()
    return backend


def request(*tensors: tuple[str, Array], parameters: dict[str, Parameter] | None = None) -> InferRequest:
    return InferRequest(model="m", inputs=[from_array(name, array) for name, array in tensors], parameters=parameters or {})


def submit(backend: TensorBackend, asked: InferRequest) -> asyncio.Future[InferResult]:
    """The answer, as a future that takes the request back when it is cancelled."""
    answer: asyncio.Future[InferResult] = asyncio.get_running_loop().create_future()

    def done(outcome: InferResult | Exception) -> None:
        assert not answer.done(), "answered after it was taken back, or twice"
        if isinstance(outcome, InferResult):
            answer.set_result(outcome)
        else:
            answer.set_exception(outcome)

    cancel = backend.submit(asked, done)
    answer.add_done_callback(lambda answer: cancel() if answer.cancelled() else None)
    return answer


def array_of(result: InferResult, name: str = "y") -> Array:
    return to_array(next(tensor for tensor in result.outputs if tensor.name == name))
