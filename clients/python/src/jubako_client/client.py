# Made by clients/python/without_async.py from async_client.py. Change that instead.

"""The client."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar, overload

import grpc
import numpy as np
import numpy.typing as npt
from google.protobuf.message import Message

from jubako_client import _methods as methods
from jubako_client._asking import Prompts, chat_request, completion_request, prompts_of, require_known
from jubako_client._connection import Connection, Settings
from jubako_client._failure import failure
from jubako_client._protos import inference as kserve
from jubako_client._protos import jubako_v1 as v1
from jubako_client._tensors import Array, Parameter, infer_request, stream_arrays
from jubako_client.conversation import Conversation
from jubako_client.errors import ModelNotFound, Unreachable
from jubako_client.models import ModelVersion
from jubako_client.options import CallOptions, ChatOptions, CompletionOptions
from jubako_client.ranking import Classification, RankedDocument
from jubako_client.streams import Stream
from jubako_client.text import ChatAnswer, ChatDelta, CompletionAnswer, CompletionDelta
from jubako_client.tls import Tls

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["Client"]

M = TypeVar("M", bound=Message)
A = TypeVar("A")
D = TypeVar("D")

ChatStream: TypeAlias = Stream[ChatDelta, ChatAnswer]
CompletionStream: TypeAlias = Stream[CompletionDelta, CompletionAnswer]


class Client:
    """Asks the models of one server, over one connection that is kept and made again when it breaks.

    ::

        with Client("127.0.0.1:50051") as client:
            answer = client.chat("smollm2", "Say hello.", max_tokens=20)
            print(answer.text)

    Threads may share it, and a process that is forked from this one makes a connection of its own.

    Every method takes the options `timeout_s`, `retries`, `request_id` and `traceparent` of
    :class:`jubako_client.options.CallOptions` beside its own, and raises :class:`jubako_client.JubakoError` where there is no
    answer. A model's name may have ``:`` and a version, or ``@`` and an alias, behind it.

    Args:
        target: The host and port of the server's gRPC.
        api_key: Sent with each call as ``authorization: Bearer``.
        timeout_s: Seconds that a call may take, retries included; None for any time. Calls can say otherwise.
        retries: How often a call that changes nothing is made again when the server is not there, restarting or full. A stream
            is not begun again after its first piece.
        tls: True for TLS with the system's authorities, or the files to use. Without it the connection is not encrypted.
        keepalive_s: During calls the server is asked for a sign of life after so many seconds of silence. One that gives none
            within a third of that time counts as gone.
        max_message_bytes: Largest answer that is taken.

    Raises:
        OSError: a file of `tls` can't be read.
        ValueError: `api_key` can't be sent.
    """

    def __init__(
        self,
        target: str = "127.0.0.1:50051",
        *,
        api_key: str | None = None,
        timeout_s: float | None = 600.0,
        retries: int = 2,
        tls: Tls | bool = False,
        keepalive_s: float = 60.0,
        max_message_bytes: int = 256 * 1024 * 1024,
    ) -> None:
        self._settings = Settings(target, api_key, timeout_s, retries, tls, keepalive_s, max_message_bytes)
        self._connection = Connection(self._settings)

    def close(self) -> None:
        """End the connection, and all calls on it."""
        self._connection.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Text

    @overload
    def chat(
        self, model: str, messages: Conversation, *, stream: Literal[False] = False, **options: Unpack[ChatOptions]
    ) -> ChatAnswer: ...
    @overload
    def chat(
        self, model: str, messages: Conversation, *, stream: Literal[True], **options: Unpack[ChatOptions]
    ) -> ChatStream: ...
    @overload
    def chat(
        self, model: str, messages: Conversation, *, stream: bool, **options: Unpack[ChatOptions]
    ) -> ChatAnswer | ChatStream: ...
    def chat(
        self, model: str, messages: Conversation, *, stream: bool = False, **options: Unpack[ChatOptions]
    ) -> ChatAnswer | ChatStream:
        """The next turn of a conversation, whole or, with `stream`, as it comes.

        ::

            answer = client.chat("smollm2", [{"role": "user", "content": "Say hello."}], temperature=0, max_tokens=20)
            print(answer.text, answer.finish_reason, answer.usage.total_tokens)
            for delta in client.chat("smollm2", "Count to five.", stream=True, max_tokens=40):
                print(delta.text, end="", flush=True)

        Args:
            messages: What the user says, or the turns so far: :class:`jubako_client.Message`, or dictionaries as OpenAI's API
                has them.
            options: See :class:`jubako_client.options.ChatOptions`.

        Raises:
            JubakoError: it can't be had; while the stream is read, if there is one.
        """
        request = chat_request(model, messages, options)
        if stream:
            return self._stream(methods.CHAT_STREAM, request, options)
        return self._ask(methods.CHAT, request, options)

    @overload
    def complete(
        self, model: str, prompts: Prompts, *, stream: Literal[False] = False, **options: Unpack[CompletionOptions]
    ) -> CompletionAnswer: ...
    @overload
    def complete(
        self, model: str, prompts: Prompts, *, stream: Literal[True], **options: Unpack[CompletionOptions]
    ) -> CompletionStream: ...
    @overload
    def complete(
        self, model: str, prompts: Prompts, *, stream: bool, **options: Unpack[CompletionOptions]
    ) -> CompletionAnswer | CompletionStream: ...
    def complete(
        self, model: str, prompts: Prompts, *, stream: bool = False, **options: Unpack[CompletionOptions]
    ) -> CompletionAnswer | CompletionStream:
        """Continue prompts as they are, without a chat template.

        ::

            answer = client.complete("smollm2", "Once upon a time", max_tokens=20)
            print(answer.text)

        Args:
            prompts: A text, several, the token ids of one, or those of several.
            options: See :class:`jubako_client.options.CompletionOptions`.

        Raises:
            JubakoError: it can't be had; while the stream is read, if there is one.
        """
        request = completion_request(model, prompts, options)
        if stream:
            return self._stream(methods.COMPLETE_STREAM, request, options)
        return self._ask(methods.COMPLETE, request, options)

    def embed(
        self, model: str, inputs: Prompts, *, dimensions: int | None = None, **options: Unpack[CallOptions]
    ) -> npt.NDArray[np.float32]:
        """A vector for each input, of shape [inputs, dimensions].

        ::

            vectors = client.embed("minilm", ["a text", "another"])
            print(vectors.shape, vectors.dtype)

        Args:
            dimensions: Keep so many of each vector's numbers, the first ones, of models made for that.
        """
        request = v1.EmbedRequest(model=model, inputs=prompts_of(inputs), dimensions=dimensions)
        return self._ask(methods.EMBED, request, options)

    def rerank(
        self,
        model: str,
        query: str,
        documents: Sequence[str],
        *,
        top_n: int | None = None,
        return_documents: bool = True,
        **options: Unpack[CallOptions],
    ) -> list[RankedDocument]:
        """The documents by how well they answer the query, the best first; only `top_n` of them, if that is given.

        ::

            ranked = client.rerank("minilm", "a fruit", ["a stone", "an apple", "a bear"], top_n=2)
            print([(found.index, found.relevance_score, found.document) for found in ranked])
        """
        request = v1.RerankRequest(model=model, query=query, documents=documents, top_n=top_n, return_documents=return_documents)
        return self._ask(methods.RERANK, request, options)

    def score(
        self, model: str, queries: str | Sequence[str], documents: Sequence[str], **options: Unpack[CallOptions]
    ) -> npt.NDArray[np.float64]:
        """How well each document answers its query, or the only one; of shape [documents].

        ::

            scores = client.score("minilm", "a fruit", ["a stone", "an apple"])
            print(scores.argmax())
        """
        asked = [queries] if isinstance(queries, str) else queries
        return self._ask(methods.SCORE, v1.ScoreRequest(model=model, queries=asked, documents=documents), options)

    def classify(self, model: str, inputs: Prompts, **options: Unpack[CallOptions]) -> list[Classification]:
        """The classes of each input.

        ::

            classes = client.classify("length", ["a text", "another"])
            print(classes[0].label, classes[0].probabilities)
        """
        return self._ask(methods.CLASSIFY, v1.ClassifyRequest(model=model, inputs=prompts_of(inputs)), options)

    # Tensors

    def infer(
        self,
        model: str,
        inputs: Mapping[str, npt.ArrayLike],
        *,
        outputs: Sequence[str] = (),
        datatypes: Mapping[str, str] | None = None,
        parameters: Mapping[str, Parameter] | None = None,
        **options: Unpack[CallOptions],
    ) -> dict[str, Array]:
        """Tensors from tensors.

        ::

            found = client.infer("double", {"x": np.ones((1, 3), np.float32)})
            print(found["y"])

        Args:
            inputs: Arrays by the names of the tensors, with the batch dimension where the model has one. Text becomes UTF-8.
            outputs: The outputs to give; none for all.
            datatypes: The datatypes of inputs that their arrays do not tell, such as BF16 for an array of float32.
            parameters: Values beside the tensors, such as `priority`.

        Returns:
            The outputs. BYTES are arrays of `bytes` objects; BF16 is float32. Arrays of numbers are read-only.
        """
        return self._ask(methods.INFER, infer_request(model, inputs, outputs, datatypes or {}, parameters or {}), options)

    def infer_stream(
        self,
        model: str,
        inputs: Mapping[str, npt.ArrayLike],
        *,
        outputs: Sequence[str] = (),
        datatypes: Mapping[str, str] | None = None,
        parameters: Mapping[str, Parameter] | None = None,
        **options: Unpack[CallOptions],
    ) -> Iterator[dict[str, Array]]:
        """As :meth:`infer`, for models that answer a request any number of times. It is never begun again.

        ::

            for found in client.infer_stream("repeat", {"IN": np.array([3, 1, 2], np.int32)}):
                print(found["OUT"])
        """
        require_known(options)
        request = infer_request(model, inputs, outputs, datatypes or {}, parameters or {})
        opened = self._connection.channel().stream_stream(
            methods.INFER_STREAM, kserve.ModelInferRequest.SerializeToString, kserve.ModelStreamInferResponse.FromString
        )
        patience, request_id, metadata = self._settings.attempt(options, idempotent=False)
        call = opened(iter([request]), timeout=patience.remaining_s(), metadata=metadata)
        try:
            for answer in call:
                if found := stream_arrays(answer, request_id):
                    yield found
        except grpc.RpcError as error:
            raise failure(error, request_id) from None
        finally:
            call.cancel()

    # What is served

    def ready(self, model: str | None = None, **options: Unpack[CallOptions]) -> bool:
        """Whether the server, or one model of it, can be asked; False where it can't be reached.

        ::

            if not client.ready("smollm2"):
                print("later")
        """
        at_once: CallOptions = {"retries": 0, **options}
        try:
            if model is None:
                return self._ask(methods.READY, kserve.ServerReadyRequest(), at_once)
            return self._ask(methods.MODEL_READY, kserve.ModelReadyRequest(name=model), at_once)
        except (Unreachable, ModelNotFound):
            return False

    def models(self, **options: Unpack[CallOptions]) -> list[ModelVersion]:
        """The current version of each model.

        ::

            for model in client.models():
                print(model.model, model.version, model.state, model.tasks)
        """
        return self._ask(methods.MODELS, v1.ListModelsRequest(), options)

    def model(self, name: str, **options: Unpack[CallOptions]) -> ModelVersion:
        """The version that a name means.

        ::

            version = client.model("double")
            print(version.signature)
        """
        return self._ask(methods.MODEL, v1.GetModelRequest(model=name), options)

    def versions(self, name: str, **options: Unpack[CallOptions]) -> list[ModelVersion]:
        """All versions of a model, those that are not served included.

        ::

            for version in client.versions("double"):
                print(version.version, version.state, version.aliases)
        """
        return self._ask(methods.VERSIONS, v1.ListVersionsRequest(model=name), options)

    # For administrators

    def index(self, *, ready: bool = False, **options: Unpack[CallOptions]) -> list[ModelVersion]:
        """Every version of every entry of the repository, entries that can't be read included; or only those that are ready.

        ::

            for version in client.index():
                print(version.model, version.version, version.state, version.reason)
        """
        return self._ask(methods.INDEX, v1.IndexRequest(ready=ready), options)

    def load(self, name: str, **options: Unpack[CallOptions]) -> list[ModelVersion]:
        """Read an entry of the repository again and serve it. Returns its versions once it can be asked.

        ::

            versions = client.load("minilm", timeout_s=120)
            print(versions)
        """
        return self._ask(methods.LOAD, v1.LoadRequest(model=name), options)

    def unload(self, name: str, **options: Unpack[CallOptions]) -> None:
        """Serve an entry no longer. Returns once its processes are gone.

        ::

            client.unload("language")
        """
        self._ask(methods.UNLOAD, v1.UnloadRequest(model=name), options)

    def set_alias(self, name: str, alias: str, version: int, **options: Unpack[CallOptions]) -> ModelVersion:
        """Let an alias mean a version from now on; one that is not served is loaded first.

        ::

            version = client.set_alias("double", "stable", 1)
            print(version.aliases)
        """
        return self._ask(methods.SET_ALIAS, v1.SetAliasRequest(model=name, alias=alias, version=version), options)

    def delete_alias(self, name: str, alias: str, **options: Unpack[CallOptions]) -> None:
        """Take an alias away.

        ::

            client.set_alias("double", "trial", 1)
            client.delete_alias("double", "trial")
        """
        self._ask(methods.DELETE_ALIAS, v1.DeleteAliasRequest(model=name, alias=alias), options)

    # How

    def _ask(self, method: methods.Method[M, A], request: Message, options: CallOptions) -> A:
        if not isinstance(request, (v1.ChatRequest, v1.CompletionRequest)):
            require_known(options)
        patience, request_id, metadata = self._settings.attempt(options, method.idempotent)
        call = self._connection.channel().unary_unary(method.path, type(request).SerializeToString, method.kind.FromString)
        while True:
            try:
                return method.read(call(request, timeout=patience.remaining_s(), metadata=metadata))
            except grpc.RpcError as error:
                meant = failure(error, request_id)
            delay_s = patience.delay_s(meant)
            if delay_s is None:
                raise meant
            time.sleep(delay_s)

    def _stream(self, method: methods.Streamed[D, A], request: Message, options: CallOptions) -> Stream[D, A]:
        patience, request_id, metadata = self._settings.attempt(options, idempotent=True)
        opened = self._connection.channel().unary_stream(method.path, type(request).SerializeToString, method.read)
        return Stream(lambda timeout_s: opened(request, timeout=timeout_s, metadata=metadata), method.whole, patience, request_id)
