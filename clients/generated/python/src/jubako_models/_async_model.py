"""What the classes of the models for asyncio are made of: a method for each task, with the client that asks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias, overload

import numpy as np
import numpy.typing as npt
from jubako_client import (
    AsyncClient,
    AsyncStream,
    ChatAnswer,
    ChatDelta,
    Classification,
    CompletionAnswer,
    CompletionDelta,
    RankedDocument,
)
from jubako_client.conversation import Conversation
from jubako_client.options import CallOptions, ChatOptions, CompletionOptions

from ._interface import Interface
from ._tensors import Answer, checked

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

__all__ = [
    "AsyncChatModel",
    "AsyncClassifyModel",
    "AsyncCompletionModel",
    "AsyncEmbeddingModel",
    "AsyncScoreModel",
    "AsyncTensorModel",
    "Parameters",
    "Prompts",
]

Parameters: TypeAlias = "Mapping[str, bool | int | float | str]"
"""Values beside the tensors, such as `priority`."""

Prompts: TypeAlias = "str | Sequence[str] | Sequence[int] | Sequence[Sequence[int]]"
"""A text, several, the token ids of one, or those of several."""


class AsyncModel:
    """A model, asked through a client.

    Args:
        name: Another name of the model, or one of a particular version. Default: its own, which means its current version.
    """

    interface: ClassVar[Interface]

    def __init__(self, client: AsyncClient, name: str | None = None) -> None:
        self.client = client
        self.name = name or self.interface.name

    def _at(self, version: int | None = None, alias: str | None = None) -> Self:
        """The model at one of its versions."""
        own = self.interface.name
        return type(self)(self.client, f"{own}:{version}" if alias is None else f"{own}@{alias}")


class AsyncChatModel(AsyncModel):
    """It answers conversations."""

    @overload
    async def chat(
        self,
        messages: Conversation,
        *,
        stream: Literal[False] = False,
        **options: Unpack[ChatOptions],
    ) -> ChatAnswer: ...
    @overload
    async def chat(
        self,
        messages: Conversation,
        *,
        stream: Literal[True],
        **options: Unpack[ChatOptions],
    ) -> AsyncStream[ChatDelta, ChatAnswer]: ...
    @overload
    async def chat(
        self,
        messages: Conversation,
        *,
        stream: bool,
        **options: Unpack[ChatOptions],
    ) -> ChatAnswer | AsyncStream[ChatDelta, ChatAnswer]: ...
    async def chat(
        self,
        messages: Conversation,
        *,
        stream: bool = False,
        **options: Unpack[ChatOptions],
    ) -> ChatAnswer | AsyncStream[ChatDelta, ChatAnswer]:
        """The next turn of a conversation, whole or, with `stream`, as it comes."""
        return await self.client.chat(self.name, messages, stream=stream, **options)


class AsyncCompletionModel(AsyncModel):
    """It continues prompts."""

    @overload
    async def complete(
        self,
        prompts: Prompts,
        *,
        stream: Literal[False] = False,
        **options: Unpack[CompletionOptions],
    ) -> CompletionAnswer: ...
    @overload
    async def complete(
        self,
        prompts: Prompts,
        *,
        stream: Literal[True],
        **options: Unpack[CompletionOptions],
    ) -> AsyncStream[CompletionDelta, CompletionAnswer]: ...
    @overload
    async def complete(
        self,
        prompts: Prompts,
        *,
        stream: bool,
        **options: Unpack[CompletionOptions],
    ) -> CompletionAnswer | AsyncStream[CompletionDelta, CompletionAnswer]: ...
    async def complete(
        self,
        prompts: Prompts,
        *,
        stream: bool = False,
        **options: Unpack[CompletionOptions],
    ) -> CompletionAnswer | AsyncStream[CompletionDelta, CompletionAnswer]:
        """Continue prompts as they are, whole or, with `stream`, as it comes."""
        return await self.client.complete(self.name, prompts, stream=stream, **options)


class AsyncEmbeddingModel(AsyncModel):
    """It makes vectors of texts."""

    async def embed(
        self,
        inputs: Prompts,
        *,
        dimensions: int | None = None,
        **options: Unpack[CallOptions],
    ) -> npt.NDArray[np.float32]:
        """A vector for each input, of shape [inputs, dimensions]."""
        return await self.client.embed(self.name, inputs, dimensions=dimensions, **options)


class AsyncScoreModel(AsyncModel):
    """It says how well documents answer queries."""

    async def rerank(
        self,
        query: str,
        documents: Sequence[str],
        *,
        top_n: int | None = None,
        return_documents: bool = True,
        **options: Unpack[CallOptions],
    ) -> list[RankedDocument]:
        """The documents by how well they answer the query, the best first; only `top_n` of them, if that is given."""
        return await self.client.rerank(
            self.name,
            query,
            documents,
            top_n=top_n,
            return_documents=return_documents,
            **options,
        )

    async def score(
        self,
        queries: str | Sequence[str],
        documents: Sequence[str],
        **options: Unpack[CallOptions],
    ) -> npt.NDArray[np.float64]:
        """How well each document answers its query, or the only one; of shape [documents]."""
        return await self.client.score(self.name, queries, documents, **options)


class AsyncClassifyModel(AsyncModel):
    """It tells classes of texts apart."""

    async def classify(self, inputs: Prompts, **options: Unpack[CallOptions]) -> list[Classification]:
        """The classes of each input."""
        return await self.client.classify(self.name, inputs, **options)


class AsyncTensorModel(AsyncModel):
    """It makes tensors of tensors."""

    async def _infer(self, inputs: Mapping[str, object], parameters: Parameters | None, options: CallOptions) -> Answer:
        found = await self.client.infer(
            self.name,
            checked(self.interface, inputs),
            datatypes=self._datatypes(),
            parameters=parameters,
            **options,
        )
        return Answer(self.interface, found)

    async def _infer_stream(
        self,
        inputs: Mapping[str, object],
        parameters: Parameters | None,
        options: CallOptions,
    ) -> AsyncIterator[Answer]:
        found = self.client.infer_stream(
            self.name,
            checked(self.interface, inputs),
            datatypes=self._datatypes(),
            parameters=parameters,
            **options,
        )
        async for answer in found:
            yield Answer(self.interface, answer)

    def _datatypes(self) -> dict[str, str]:
        return {name: tensor.datatype for name, tensor in self.interface.inputs.items()}
