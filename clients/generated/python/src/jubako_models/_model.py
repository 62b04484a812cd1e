"""What the classes of the models are made of: a method for each task, with the client that asks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias, overload

import numpy as np
import numpy.typing as npt
from jubako_client import (
    ChatAnswer,
    ChatDelta,
    Classification,
    Client,
    CompletionAnswer,
    CompletionDelta,
    RankedDocument,
    Stream,
)
from jubako_client.conversation import Conversation
from jubako_client.options import CallOptions, ChatOptions, CompletionOptions

from ._interface import Interface
from ._tensors import Answer, checked

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

__all__ = [
    "ChatModel",
    "ClassifyModel",
    "CompletionModel",
    "EmbeddingModel",
    "Parameters",
    "Prompts",
    "ScoreModel",
    "TensorModel",
]

Parameters: TypeAlias = "Mapping[str, bool | int | float | str]"
"""Values beside the tensors, such as `priority`."""

Prompts: TypeAlias = "str | Sequence[str] | Sequence[int] | Sequence[Sequence[int]]"
"""A text, several, the token ids of one, or those of several."""


class Model:
    """A model, asked through a client.

    Args:
        name: Another name of the model, or one of a particular version. Default: its own, which means its current version.
    """

    interface: ClassVar[Interface]

    def __init__(self, client: Client, name: str | None = None) -> None:
        self.client = client
        self.name = name or self.interface.name

    def _at(self, version: int | None = None, alias: str | None = None) -> Self:
        """The model at one of its versions."""
        own = self.interface.name
        return type(self)(self.client, f"{own}:{version}" if alias is None else f"{own}@{alias}")


class ChatModel(Model):
    """It answers conversations."""

    @overload
    def chat(
        self,
        messages: Conversation,
        *,
        stream: Literal[False] = False,
        **options: Unpack[ChatOptions],
    ) -> ChatAnswer: ...
    @overload
    def chat(
        self,
        messages: Conversation,
        *,
        stream: Literal[True],
        **options: Unpack[ChatOptions],
    ) -> Stream[ChatDelta, ChatAnswer]: ...
    @overload
    def chat(
        self,
        messages: Conversation,
        *,
        stream: bool,
        **options: Unpack[ChatOptions],
    ) -> ChatAnswer | Stream[ChatDelta, ChatAnswer]: ...
    def chat(
        self,
        messages: Conversation,
        *,
        stream: bool = False,
        **options: Unpack[ChatOptions],
    ) -> ChatAnswer | Stream[ChatDelta, ChatAnswer]:
        """The next turn of a conversation, whole or, with `stream`, as it comes."""
        return self.client.chat(self.name, messages, stream=stream, **options)


class CompletionModel(Model):
    """It continues prompts."""

    @overload
    def complete(
        self,
        prompts: Prompts,
        *,
        stream: Literal[False] = False,
        **options: Unpack[CompletionOptions],
    ) -> CompletionAnswer: ...
    @overload
    def complete(
        self,
        prompts: Prompts,
        *,
        stream: Literal[True],
        **options: Unpack[CompletionOptions],
    ) -> Stream[CompletionDelta, CompletionAnswer]: ...
    @overload
    def complete(
        self,
        prompts: Prompts,
        *,
        stream: bool,
        **options: Unpack[CompletionOptions],
    ) -> CompletionAnswer | Stream[CompletionDelta, CompletionAnswer]: ...
    def complete(
        self,
        prompts: Prompts,
        *,
        stream: bool = False,
        **options: Unpack[CompletionOptions],
    ) -> CompletionAnswer | Stream[CompletionDelta, CompletionAnswer]:
        """Continue prompts as they are, whole or, with `stream`, as it comes."""
        return self.client.complete(self.name, prompts, stream=stream, **options)


class EmbeddingModel(Model):
    """It makes vectors of texts."""

    def embed(
        self,
        inputs: Prompts,
        *,
        dimensions: int | None = None,
        **options: Unpack[CallOptions],
    ) -> npt.NDArray[np.float32]:
        """A vector for each input, of shape [inputs, dimensions]."""
        return self.client.embed(self.name, inputs, dimensions=dimensions, **options)


class ScoreModel(Model):
    """It says how well documents answer queries."""

    def rerank(
        self,
        query: str,
        documents: Sequence[str],
        *,
        top_n: int | None = None,
        return_documents: bool = True,
        **options: Unpack[CallOptions],
    ) -> list[RankedDocument]:
        """The documents by how well they answer the query, the best first; only `top_n` of them, if that is given."""
        return self.client.rerank(
            self.name,
            query,
            documents,
            top_n=top_n,
            return_documents=return_documents,
            **options,
        )

    def score(
        self,
        queries: str | Sequence[str],
        documents: Sequence[str],
        **options: Unpack[CallOptions],
    ) -> npt.NDArray[np.float64]:
        """How well each document answers its query, or the only one; of shape [documents]."""
        return self.client.score(self.name, queries, documents, **options)


class ClassifyModel(Model):
    """It tells classes of texts apart."""

    def classify(self, inputs: Prompts, **options: Unpack[CallOptions]) -> list[Classification]:
        """The classes of each input."""
        return self.client.classify(self.name, inputs, **options)


class TensorModel(Model):
    """It makes tensors of tensors."""

    def _infer(self, inputs: Mapping[str, object], parameters: Parameters | None, options: CallOptions) -> Answer:
        found = self.client.infer(
            self.name,
            checked(self.interface, inputs),
            datatypes=self._datatypes(),
            parameters=parameters,
            **options,
        )
        return Answer(self.interface, found)

    def _infer_stream(
        self,
        inputs: Mapping[str, object],
        parameters: Parameters | None,
        options: CallOptions,
    ) -> Iterator[Answer]:
        found = self.client.infer_stream(
            self.name,
            checked(self.interface, inputs),
            datatypes=self._datatypes(),
            parameters=parameters,
            **options,
        )
        for answer in found:
            yield Answer(self.interface, answer)

    def _datatypes(self) -> dict[str, str]:
        return {name: tensor.datatype for name, tensor in self.interface.inputs.items()}
