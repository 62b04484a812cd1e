"""Other models of the repository, as the code of a model calls them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt

from jubako.backends.base import OtherModels
from jubako.messages import InferRequest, InferResult, Parameter, RequestedOutput
from jubako.tensors import Array, Arrays, Tensor, from_array, to_array

T = TypeVar("T")


class Models:
    """The other models: ``models["detector"]``, or ``models["detector:2"]`` for a version.

    Args:
        others: Asked for at the first call, because it is set while the instance starts.
        loop: The event loop of the instance.
    """

    def __init__(self, others: Callable[[], OtherModels], loop: asyncio.AbstractEventLoop) -> None:
        self._others = others
        self._loop = loop

    def __getitem__(self, model: str) -> OtherModel:
        return OtherModel(model, self._others, self._loop)


class OtherModel:
    """One other model. A call waits its turn there as any request does, and raises what the model answers.

    The methods that block are for code in a thread (``def infer``), those that are awaited for ``async def infer``.
    """

    def __init__(self, name: str, others: Callable[[], OtherModels], loop: asyncio.AbstractEventLoop) -> None:
        self.name = name
        self._others = others
        self._loop = loop

    def __call__(self, **inputs: npt.ArrayLike) -> Arrays:
        """The outputs by their names: ``models["detector"](image=pixels)["boxes"]``. Blocks."""
        return self.infer(inputs)

    def infer(
        self,
        inputs: Mapping[str, npt.ArrayLike],
        *,
        outputs: Sequence[str] = (),
        parameters: Mapping[str, Parameter] | None = None,
    ) -> Arrays:
        """The outputs by their names: those of `outputs`, or all. Blocks."""
        return self._wait(self.infer_async(inputs, outputs=outputs, parameters=parameters))

    async def infer_async(
        self,
        inputs: Mapping[str, npt.ArrayLike],
        *,
        outputs: Sequence[str] = (),
        parameters: Mapping[str, Parameter] | None = None,
    ) -> Arrays:
        """As :meth:`infer`, awaited."""
        return _arrays(await self._others().infer(self._request(inputs, outputs, parameters)))

    def stream(
        self,
        inputs: Mapping[str, npt.ArrayLike],
        *,
        outputs: Sequence[str] = (),
        parameters: Mapping[str, Parameter] | None = None,
    ) -> Iterator[Arrays]:
        """The answers of a model that gives any number, each as it comes. Blocks. Closing it ends the work there."""
        answers = self.stream_async(inputs, outputs=outputs, parameters=parameters)
        end = object()

        async def step() -> object:
            return await anext(answers, end)

        async def close() -> None:
            await answers.aclose()  # type: ignore[attr-defined]  # an async generator, which the signature does not show

        try:
            while (answer := self._wait(step())) is not end:
                yield cast(Arrays, answer)
        finally:
            self._wait(close())

    async def stream_async(
        self,
        inputs: Mapping[str, npt.ArrayLike],
        *,
        outputs: Sequence[str] = (),
        parameters: Mapping[str, Parameter] | None = None,
    ) -> AsyncIterator[Arrays]:
        """As :meth:`stream`, for ``async for``."""
        results = self._others().infer_stream(self._request(inputs, outputs, parameters))
        async with aclosing(results):  # type: ignore[type-var]  # every implementation is an async generator
            async for result in results:
                yield _arrays(result)

    def _request(
        self, inputs: Mapping[str, npt.ArrayLike], outputs: Sequence[str], parameters: Mapping[str, Parameter] | None
    ) -> InferRequest:
        return InferRequest(
            model=self.name,
            inputs=[_tensor(name, value) for name, value in inputs.items()],
            outputs=[RequestedOutput(name) for name in outputs],
            parameters=dict(parameters or {}),
        )

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        if running is self._loop:
            work.close()
            raise RuntimeError(
                f"This call of {self.name!r} would block the event loop that has to answer it: in async code await infer_async, "
                "or use stream_async."
            )
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


def _tensor(name: str, value: npt.ArrayLike) -> Tensor:
    if isinstance(value, Tensor):
        return value
    return from_array(name, cast(Array, np.asarray(value)))


def _arrays(result: InferResult) -> Arrays:
    return {output.name: to_array(output) for output in result.outputs}
