"""The methods of the server: their paths, messages, and what their answers mean."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from google.protobuf.message import Message

from jubako_client import _tensors, models, ranking, text
from jubako_client._gathering import Chunk, whole_chat, whole_completion
from jubako_client._protos import inference as kserve
from jubako_client._protos import jubako_v1 as v1

M = TypeVar("M", bound=Message)
A = TypeVar("A")
D = TypeVar("D")


@dataclass(frozen=True)
class Method(Generic[M, A]):
    """
    Attributes:
        kind: The class of its answers.
        read: What an answer means.
        idempotent: Whether asking twice does no more than asking once.
    """

    path: str
    kind: type[M]
    read: Callable[[M], A]
    idempotent: bool = True


@dataclass(frozen=True)
class Streamed(Generic[D, A]):
    """A method that answers with chunks of deltas D, which together are an answer A.

    Attributes:
        read: From the bytes of a chunk.
        whole: The answer that chunks make.
    """

    path: str
    read: Callable[[bytes], Chunk[D]]
    whole: Callable[[Sequence[Chunk[D]]], A]


def _each(given: Iterable[v1.ModelVersion]) -> list[models.ModelVersion]:
    return [models.model_version(version) for version in given]


def _chat_chunk(content: bytes) -> Chunk[text.ChatDelta]:
    given = v1.ChatChunk.FromString(content)
    return Chunk(given.id, given.model, given.version, [text.chat_delta(delta) for delta in given.deltas], _usage(given))


def _completion_chunk(content: bytes) -> Chunk[text.CompletionDelta]:
    given = v1.CompletionChunk.FromString(content)
    return Chunk(given.id, given.model, given.version, [text.completion_delta(delta) for delta in given.deltas], _usage(given))


def _usage(given: v1.ChatChunk | v1.CompletionChunk) -> text.Usage | None:
    return text.usage(given.usage) if given.HasField("usage") else None


CHAT: Final = Method("/jubako.v1.ChatService/Complete", v1.ChatResponse, text.chat_answer)
CHAT_STREAM: Final = Streamed("/jubako.v1.ChatService/Stream", _chat_chunk, whole_chat)
COMPLETE: Final = Method("/jubako.v1.CompletionService/Complete", v1.CompletionResponse, text.completion_answer)
COMPLETE_STREAM: Final = Streamed("/jubako.v1.CompletionService/Stream", _completion_chunk, whole_completion)
EMBED: Final = Method("/jubako.v1.EmbeddingService/Embed", v1.EmbedResponse, ranking.vectors)
RERANK: Final = Method("/jubako.v1.RerankService/Rerank", v1.RerankResponse, ranking.ranked)
SCORE: Final = Method("/jubako.v1.RerankService/Score", v1.ScoreResponse, ranking.scores)
CLASSIFY: Final = Method("/jubako.v1.RerankService/Classify", v1.ClassifyResponse, ranking.classifications)

INFER: Final = Method("/inference.GRPCInferenceService/ModelInfer", kserve.ModelInferResponse, _tensors.arrays)
INFER_STREAM: Final = "/inference.GRPCInferenceService/ModelStreamInfer"
READY: Final = Method("/inference.GRPCInferenceService/ServerReady", kserve.ServerReadyResponse, lambda given: given.ready)
MODEL_READY: Final = Method("/inference.GRPCInferenceService/ModelReady", kserve.ModelReadyResponse, lambda given: given.ready)

MODELS: Final = Method("/jubako.v1.ModelService/ListModels", v1.ListModelsResponse, lambda given: _each(given.models))
MODEL: Final = Method("/jubako.v1.ModelService/GetModel", v1.GetModelResponse, lambda given: models.model_version(given.model))
VERSIONS: Final = Method("/jubako.v1.ModelService/ListVersions", v1.ListVersionsResponse, lambda given: _each(given.versions))

INDEX: Final = Method("/jubako.v1.RepositoryService/Index", v1.IndexResponse, lambda given: _each(given.versions))
LOAD: Final = Method("/jubako.v1.RepositoryService/Load", v1.LoadResponse, lambda given: _each(given.versions), idempotent=False)
UNLOAD: Final = Method("/jubako.v1.RepositoryService/Unload", v1.UnloadResponse, lambda _: None, idempotent=False)
SET_ALIAS: Final = Method(
    "/jubako.v1.RepositoryService/SetAlias",
    v1.SetAliasResponse,
    lambda given: models.model_version(given.version),
    idempotent=False,
)
DELETE_ALIAS: Final = Method("/jubako.v1.RepositoryService/DeleteAlias", v1.DeleteAliasResponse, lambda _: None, idempotent=False)
