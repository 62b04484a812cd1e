"""All methods of all services, by their names."""

from __future__ import annotations

from typing import Final

from jubako.access.scope import ADMIN, ANY_KEY, INFER
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
        unary(f"/{chat.SERVICE}/Complete", pb.ChatRequest, chat.complete, plane, INFER),
        streaming(f"/{chat.SERVICE}/Stream", pb.ChatRequest, chat.stream, plane, INFER),
        unary(f"/{completion.SERVICE}/Complete", pb.CompletionRequest, completion.complete, plane, INFER),
        streaming(f"/{completion.SERVICE}/Stream", pb.CompletionRequest, completion.stream, plane, INFER),
        unary(f"/{embedding.SERVICE}/Embed", pb.EmbedRequest, embedding.embed, plane, INFER),
        unary(f"/{rerank.SERVICE}/Rerank", pb.RerankRequest, rerank.rerank, plane, INFER),
        unary(f"/{rerank.SERVICE}/Score", pb.ScoreRequest, rerank.score, plane, INFER),
        unary(f"/{rerank.SERVICE}/Classify", pb.ClassifyRequest, rerank.classify, plane, INFER),
        unary(f"/{model.SERVICE}/ListModels", pb.ListModelsRequest, model.list_models, plane, ANY_KEY),
        unary(f"/{model.SERVICE}/GetModel", pb.GetModelRequest, model.get_model, plane, ANY_KEY),
        unary(f"/{model.SERVICE}/ListVersions", pb.ListVersionsRequest, model.list_versions, plane, ANY_KEY),
        unary(f"/{repository.SERVICE}/Index", pb.IndexRequest, repository.index, plane, ADMIN),
        unary(f"/{repository.SERVICE}/Load", pb.LoadRequest, repository.load, plane, ADMIN),
        unary(f"/{repository.SERVICE}/Unload", pb.UnloadRequest, repository.unload, plane, ADMIN),
        unary(f"/{repository.SERVICE}/SetAlias", pb.SetAliasRequest, repository.set_alias, plane, ADMIN),
        unary(f"/{repository.SERVICE}/DeleteAlias", pb.DeleteAliasRequest, repository.delete_alias, plane, ADMIN),
    ]
