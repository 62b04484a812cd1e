"""The methods of the server: their paths, messages, and what their answers mean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from google.protobuf.message import Message

from jubako_client import _tensors, models, ranking, text
from jubako_client._protos import inference, jubako_v1

M = TypeVar("M", bound=Message)
A = TypeVar("A")


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


def _versions(given: jubako_v1.ListVersionsResponse | jubako_v1.LoadResponse) -> list[models.ModelVersion]:
    return [models.model_version(each) for each in given.versions]


CHAT = Method("/jubako.v1.ChatService/Complete", jubako_v1.ChatResponse, text.chat_answer)
CHAT_STREAM = "/jubako.v1.ChatService/Stream"
COMPLETE = Method("/jubako.v1.CompletionService/Complete", jubako_v1.CompletionResponse, text.completion_answer)
COMPLETE_STREAM = "/jubako.v1.CompletionService/Stream"
EMBED = Method("/jubako.v1.EmbeddingService/Embed", jubako_v1.EmbedResponse, ranking.vectors)
RERANK = Method("/jubako.v1.RerankService/Rerank", jubako_v1.RerankResponse, ranking.ranked)
SCORE = Method("/jubako.v1.RerankService/Score", jubako_v1.ScoreResponse, ranking.scores)
CLASSIFY = Method("/jubako.v1.RerankService/Classify", jubako_v1.ClassifyResponse, ranking.classifications)
INFER = Method("/inference.GRPCInferenceService/ModelInfer", inference.ModelInferResponse, _tensors.arrays)
INFER_STREAM = "/inference.GRPCInferenceService/ModelStreamInfer"
READY = Method("/inference.GRPCInferenceService/ServerReady", inference.ServerReadyResponse, lambda given: given.ready)
MODEL_READY = Method("/inference.GRPCInferenceService/ModelReady", inference.ModelReadyResponse, lambda given: given.ready)
MODELS = Method(
    "/jubako.v1.ModelService/ListModels",
    jubako_v1.ListModelsResponse,
    lambda given: [models.model_version(each) for each in given.models],
)
MODEL = Method("/jubako.v1.ModelService/GetModel", jubako_v1.GetModelResponse, lambda given: models.model_version(given.model))
VERSIONS = Method("/jubako.v1.ModelService/ListVersions", jubako_v1.ListVersionsResponse, _versions)
LOAD = Method("/jubako.v1.RepositoryService/Load", jubako_v1.LoadResponse, _versions, idempotent=False)
UNLOAD = Method("/jubako.v1.RepositoryService/Unload", jubako_v1.UnloadResponse, lambda _: None, idempotent=False)
