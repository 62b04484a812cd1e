"""The client for asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar, overload

import grpc
import grpc.aio
import numpy as np
import numpy.typing as npt
from google.protobuf.message import Message

from jubako_client import _methods as methods
from jubako_client._asking import Prompts, chat_request, completion_request, prompts_of, require_known
from jubako_client._connection import Settings
from jubako_client._failure import failure
from jubako_client._gathering import ChatGathering, CompletionGathering
from jubako_client._protos import inference
from jubako_client._protos import jubako_v1 as pb
from jubako_client._tensors import Array, Parameter, infer_request, stream_arrays
from jubako_client.conversation import Conversation
from jubako_client.errors import ModelNotFound, Unreachable
from jubako_client.models import ModelVersion
from jubako_client.options import CallOptions, ChatOptions, CompletionOptions
from jubako_client.ranking import Classification, RankedDocument
from jubako_client.streams import AsyncStream
from jubako_client.text import ChatAnswer, ChatDelta, CompletionAnswer, CompletionDelta
from jubako_client.tls import Tls

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["AsyncClient"]

M = TypeVar("M", bound=Message)
A = TypeVar("A")

AsyncChatStream: TypeAlias = AsyncStream[ChatDelta, ChatAnswer]
AsyncCompletionStream: TypeAlias = AsyncStream[CompletionDelta, CompletionAnswer]


class AsyncClient:
    """As :class:`jubako_client.Client`, whose arguments and methods it has. It belongs to the event loop that first uses it.

    ::

        async with AsyncClient("127.0.0.1:50051") as client:
            print((await client.chat("smollm2", "Say hello.", max_tokens=20)).text)
            async for delta in await client.chat("smollm2", "Say hello.", stream=True):
                print(delta.text, end="")
    """

    def __init__(
        self,
        target: str = "127.0.0.1:50051",
        *,
        api_key: str | None = None,
        timeout_s: float | None = 600.0,
        retries: int = 2,
        tls: Tls | bool = False,
        max_message_bytes: int = 256 * 1024 * 1024,
    ) -> None:
        files = Tls() if tls is True else tls or None
        self._settings = Settings(target, api_key, timeout_s, retries, files, max_message_bytes)
        self._opened: grpc.aio.Channel | None = None

    async def close(self) -> None:
        """End the connection, and all calls on it."""
        if self._opened is not None:
            await self._opened.close()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @overload
    async def chat(
        self, model: str, messages: Conversation, *, stream: Literal[False] = False, **options: Unpack[ChatOptions]
    ) -> ChatAnswer: ...
    @overload
    async def chat(
        self, model: str, messages: Conversation, *, stream: Literal[True], **options: Unpack[ChatOptions]
    ) -> AsyncChatStream: ...
    @overload
    async def chat(
        self, model: str, messages: Conversation, *, stream: bool, **options: Unpack[ChatOptions]
    ) -> ChatAnswer | AsyncChatStream: ...
    async def chat(
        self, model: str, messages: Conversation, *, stream: bool = False, **options: Unpack[ChatOptions]
    ) -> ChatAnswer | AsyncChatStream:
        """The next turn of a conversation, whole or, with `stream`, as it comes.

        Raises:
            JubakoError: it can't be had; while the stream is read, if there is one.
        """
        request = chat_request(model, messages, options)
        if not stream:
            return await self._ask(methods.CHAT, request, options)
        opened = self._channel.unary_stream(methods.CHAT_STREAM, pb.ChatRequest.SerializeToString, pb.ChatChunk.FromString)
        patience, request_id, metadata = self._settings.attempt(options, idempotent=True)
        return AsyncStream(
            lambda timeout: opened(request, timeout=timeout, metadata=metadata), ChatGathering(), patience, request_id
        )

    @overload
    async def complete(
        self, model: str, prompts: Prompts, *, stream: Literal[False] = False, **options: Unpack[CompletionOptions]
    ) -> CompletionAnswer: ...
    @overload
    async def complete(
        self, model: str, prompts: Prompts, *, stream: Literal[True], **options: Unpack[CompletionOptions]
    ) -> AsyncCompletionStream: ...
    @overload
    async def complete(
        self, model: str, prompts: Prompts, *, stream: bool, **options: Unpack[CompletionOptions]
    ) -> CompletionAnswer | AsyncCompletionStream: ...
    async def complete(
        self, model: str, prompts: Prompts, *, stream: bool = False, **options: Unpack[CompletionOptions]
    ) -> CompletionAnswer | AsyncCompletionStream:
        """Continue prompts as they are, without a chat template: ``await client.complete("smollm2", "Once upon")``."""
        request = completion_request(model, prompts, options)
        if not stream:
            return await self._ask(methods.COMPLETE, request, options)
        opened = self._channel.unary_stream(
            methods.COMPLETE_STREAM, pb.CompletionRequest.SerializeToString, pb.CompletionChunk.FromString
        )
        patience, request_id, metadata = self._settings.attempt(options, idempotent=True)
        return AsyncStream(
            lambda timeout: opened(request, timeout=timeout, metadata=metadata), CompletionGathering(), patience, request_id
        )

    async def embed(
        self, model: str, inputs: Prompts, *, dimensions: int | None = None, **options: Unpack[CallOptions]
    ) -> npt.NDArray[np.float32]:
        """A vector for each input, of shape [inputs, dimensions]: ``await client.embed("minilm", ["a text", "another"])``."""
        request = pb.EmbedRequest(model=model, inputs=prompts_of(inputs), dimensions=dimensions)
        return await self._ask(methods.EMBED, request, options)

    async def rerank(
        self,
        model: str,
        query: str,
        documents: Sequence[str],
        *,
        top_n: int | None = None,
        return_documents: bool = True,
        **options: Unpack[CallOptions],
    ) -> list[RankedDocument]:
        """The documents by how well they answer the query, the best first; only `top_n` of them, if that is given."""
        request = pb.RerankRequest(model=model, query=query, documents=documents, top_n=top_n, return_documents=return_documents)
        return await self._ask(methods.RERANK, request, options)

    async def score(
        self, model: str, queries: str | Sequence[str], documents: Sequence[str], **options: Unpack[CallOptions]
    ) -> npt.NDArray[np.float64]:
        """How well each document answers its query, or the only one; of shape [documents]."""
        asked = [queries] if isinstance(queries, str) else queries
        return await self._ask(methods.SCORE, pb.ScoreRequest(model=model, queries=asked, documents=documents), options)

    async def classify(self, model: str, inputs: Prompts, **options: Unpack[CallOptions]) -> list[Classification]:
        """The classes of each input."""
        return await self._ask(methods.CLASSIFY, pb.ClassifyRequest(model=model, inputs=prompts_of(inputs)), options)

    async def infer(
        self,
        model: str,
        inputs: Mapping[str, npt.ArrayLike],
        *,
        outputs: Sequence[str] = (),
        datatypes: Mapping[str, str] | None = None,
        parameters: Mapping[str, Parameter] | None = None,
        **options: Unpack[CallOptions],
    ) -> dict[str, Array]:
        """Tensors from tensors: ``await client.infer("double", {"x": np.ones((1, 3), np.float32)})``.

        Args:
            inputs: Arrays by the names of the tensors, with the batch dimension where the model has one. Text becomes UTF-8.
            outputs: The outputs to give; none for all.
            datatypes: The datatypes of inputs that their arrays do not tell, such as BF16 for an array of float32.
            parameters: Values beside the tensors, such as `priority`.

        Returns:
            The outputs. BYTES are arrays of `bytes` objects; BF16 is float32.
        """
        return await self._ask(methods.INFER, infer_request(model, inputs, outputs, datatypes or {}, parameters or {}), options)

    async def infer_stream(
        self,
        model: str,
        inputs: Mapping[str, npt.ArrayLike],
        *,
        outputs: Sequence[str] = (),
        datatypes: Mapping[str, str] | None = None,
        parameters: Mapping[str, Parameter] | None = None,
        **options: Unpack[CallOptions],
    ) -> AsyncIterator[dict[str, Array]]:
        """As :meth:`infer`, for models that answer a request any number of times. It is never begun again."""
        require_known(options)
        request = infer_request(model, inputs, outputs, datatypes or {}, parameters or {})
        opened = self._channel.stream_stream(
            methods.INFER_STREAM, inference.ModelInferRequest.SerializeToString, inference.ModelStreamInferResponse.FromString
        )
        patience, request_id, metadata = self._settings.attempt(options, idempotent=False)
        call = opened(iter([request]), timeout=patience.remaining_s(), metadata=metadata)
        try:
            async for answer in call:
                if found := stream_arrays(answer, request_id):
                    yield found
        except grpc.RpcError as error:
            raise failure(error, request_id) from None
        finally:
            call.cancel()

    async def models(self, **options: Unpack[CallOptions]) -> list[ModelVersion]:
        """The current version of each model."""
        return await self._ask(methods.MODELS, pb.ListModelsRequest(), options)

    async def model(self, name: str, **options: Unpack[CallOptions]) -> ModelVersion:
        """The version that a name means."""
        return await self._ask(methods.MODEL, pb.GetModelRequest(model=name), options)

    async def versions(self, name: str, **options: Unpack[CallOptions]) -> list[ModelVersion]:
        """All versions of a model, those that are not served included."""
        return await self._ask(methods.VERSIONS, pb.ListVersionsRequest(model=name), options)

    async def load(self, name: str, **options: Unpack[CallOptions]) -> list[ModelVersion]:
        """Read an entry of the repository again and serve it. Returns its versions once it can be asked."""
        return await self._ask(methods.LOAD, pb.LoadRequest(model=name), options)

    async def unload(self, name: str, **options: Unpack[CallOptions]) -> None:
        """Serve an entry no longer. Returns once its processes are gone."""
        await self._ask(methods.UNLOAD, pb.UnloadRequest(model=name), options)

    async def ready(self, model: str | None = None, **options: Unpack[CallOptions]) -> bool:
        """Whether the server, or one model of it, can be asked; False where it can't be reached."""
        try:
            if model is None:
                return await self._ask(methods.READY, inference.ServerReadyRequest(), {"retries": 0, **options})
            return await self._ask(methods.MODEL_READY, inference.ModelReadyRequest(name=model), {"retries": 0, **options})
        except (Unreachable, ModelNotFound):
            return False

    async def _ask(self, method: methods.Method[M, A], request: Message, options: CallOptions) -> A:
        if not isinstance(request, (pb.ChatRequest, pb.CompletionRequest)):
            require_known(options)
        patience, request_id, metadata = self._settings.attempt(options, method.idempotent)
        call = self._channel.unary_unary(method.path, type(request).SerializeToString, method.kind.FromString)
        while True:
            try:
                return method.read(await call(request, timeout=patience.remaining_s(), metadata=metadata))
            except grpc.RpcError as error:
                meant = failure(error, request_id)
            delay_s = patience.delay_s(meant)
            if delay_s is None:
                raise meant
            await asyncio.sleep(delay_s)

    @property
    def _channel(self) -> grpc.aio.Channel:
        # Made when it is first used, in the loop that it belongs to.
        if self._opened is None:
            self._opened = self._settings.aio_channel()
        return self._opened
