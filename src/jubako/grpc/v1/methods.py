"""All methods of all services, by their names."""

from __future__ import annotations

from typing import Final

from jubako.dataplane.protocol import Plane
from jubako.grpc.translation import streaming, unary
from jubako.grpc.transport.call import Method
from jubako.grpc.v1 import chat, completion, embedding, model, repository, rerank
from jubako.protos import jubako_v1 as pb

SERVICES: Final = (
    chat.SERVICE,
    completion.SERVICE,
    embedding.SERVICE,
    rerank.SERVICE,
    model.SERVICE,
    repository.SERVICE,
)


def methods(plane: Plane) -> list[Method]:
    return [
        unary(f"/{chat.SERVICE}/Complete", pb.ChatRequest, chat.complete, plane),
        streaming(f"/{chat.SERVICE}/Stream", pb.ChatRequest, chat.stream, plane),
        unary(f"/{completion.SERVICE}/Complete", pb.CompletionRequest, completion.complete, plane),
        streaming(f"/{completion.SERVICE}/Stream", pb.CompletionRequest, completion.stream, plane),
        unary(f"/{embedding.SERVICE}/Embed", pb.EmbedRequest, embedding.embed, plane),
        unary(f"/{rerank.SERVICE}/Rerank", pb.RerankRequest, rerank.rerank, plane),
        unary(f"/{rerank.SERVICE}/Score", pb.ScoreRequest, rerank.score, plane),
        unary(f"/{rerank.SERVICE}/Classify", pb.ClassifyRequest, rerank.classify, plane),
        unary(f"/{model.SERVICE}/ListModels", pb.ListModelsRequest, model.list_models, plane),
        unary(f"/{model.SERVICE}/GetModel", pb.GetModelRequest, model.get_model, plane),
        unary(f"/{model.SERVICE}/ListVersions", pb.ListVersionsRequest, model.list_versions, plane),
        unary(f"/{repository.SERVICE}/Index", pb.IndexRequest, repository.index, plane),
        unary(f"/{repository.SERVICE}/Load", pb.LoadRequest, repository.load, plane),
        unary(f"/{repository.SERVICE}/Unload", pb.UnloadRequest, repository.unload, plane),
    ]
