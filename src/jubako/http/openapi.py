"""The OpenAPI 3.1 document, made from the types that requests are decoded into and answers encoded from."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

from jubako import __version__
from jubako.errors import (
    ClientError,
    DeadlineExceeded,
    InternalError,
    InvalidRequest,
    JubakoError,
    ModelNotFound,
    ModelNotReady,
    Overloaded,
    PayloadTooLarge,
    UnsupportedMediaType,
)
from jubako.http.health import Alive, Readiness
from jubako.http.interfaces import InterfaceList
from jubako.http.kserve import document as kserve
from jubako.http.openai.answers import (
    ChatCompletion,
    ChatCompletionChunk,
    Completion,
    Detokenized,
    EmbeddingList,
    ErrorAnswer,
    Model,
    ModelList,
    Tokenized,
)
from jubako.http.openai.classify import ClassificationList, ClassifyBody
from jubako.http.openai.rerank import Ranking, RerankBody
from jubako.http.openai.score import ScoreBody, ScoreList
from jubako.http.openai.wire import ChatCompletionRequest, CompletionBody, DetokenizeBody, EmbeddingRequest, TokenizeBody
from jubako.http.secured import SCHEMES, SECURITY, secured
from jubako.http.stat import Activity, ModelActivity
from jubako.messages import Task, VersionStatus

Json = dict[str, Any]

_TYPES = (
    Activity,
    Alive,
    ChatCompletion,
    ChatCompletionChunk,
    ChatCompletionRequest,
    ClassificationList,
    ClassifyBody,
    Completion,
    CompletionBody,
    Detokenized,
    DetokenizeBody,
    EmbeddingList,
    EmbeddingRequest,
    ErrorAnswer,
    InterfaceList,
    Model,
    ModelActivity,
    ModelList,
    Ranking,
    Readiness,
    RerankBody,
    ScoreBody,
    ScoreList,
    TokenizeBody,
    Tokenized,
    *kserve.TYPES,
)

_POST_ERRORS: tuple[tuple[type[JubakoError], str], ...] = (
    (InvalidRequest, "The request is wrong; `param` says where."),
    (ModelNotFound, "No model has that name; the message has the nearest ones."),
    (PayloadTooLarge, "The body is larger than max_body_bytes."),
    (UnsupportedMediaType, "The body is not said to be JSON, or is compressed."),
    (Overloaded, "The model's queue is full; nothing was started. Try again after `retry-after` seconds."),
    (InternalError, "The server failed; its log has more under the request id."),
    (ModelNotReady, "The model is loading, failed, or its process died. Try again after `retry-after` seconds."),
    (DeadlineExceeded, "It took longer than the model's limits allow."),
)

_UNKNOWN_MODEL: tuple[tuple[type[JubakoError], str], ...] = ((ModelNotFound, "No model has that name."),)

_REQUEST_ID_HEADER = {
    "x-request-id": {
        "description": "The id under which the server's log has this request: the client's own if it sent one.",
        "schema": {"type": "string"},
    }
}


def document(models: list[VersionStatus]) -> Json:
    """The document, with examples that work as they are on a server of these models."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "jubako",
            "version": __version__,
            "description": "Models of one repository behind OpenAI's API and the Open Inference Protocol. Unknown fields are "
            "refused, never ignored.",
        },
        "tags": [
            {"name": "OpenAI", "description": "What OpenAI's clients use."},
            {"name": "Scores", "description": "Cross-encoders and classifiers, in the shapes of Cohere, Jina and vLLM."},
            *kserve.TAGS,
            {"name": "Tokens", "description": "A model's own tokenizer, in vLLM's shapes."},
            {"name": "Server", "description": "For what watches the server."},
        ],
        "security": SECURITY,
        "paths": secured(_paths(models)),
        "components": {"schemas": _schemas(), "securitySchemes": SCHEMES},
    }


def _paths(models: list[VersionStatus]) -> Json:
    tasks: tuple[Task, ...] = ("chat", "completion", "embedding", "score", "classify")
    chat, completion, embedding, score, classify = (_example_model(models, task) for task in tasks)
    query, documents = "What keeps food warm?", ["A thermos", "A jubako stacks boxes"]
    greeting: Json = {"model": chat, "messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 32}
    return {
        "/v1/chat/completions": {
            "post": _post(
                "createChatCompletion",
                "Answer a conversation",
                "OpenAI",
                ChatCompletionRequest,
                examples={
                    "whole": {"summary": "One answer", "value": greeting},
                    "streamed": {"summary": "A stream of server-sent events", "value": {**greeting, "stream": True}},
                },
                answer=ChatCompletion,
                chunk=ChatCompletionChunk,
            )
        },
        "/v1/completions": {
            "post": _post(
                "createCompletion",
                "Continue a text",
                "OpenAI",
                CompletionBody,
                examples={"whole": {"value": {"model": completion, "prompt": "Once upon a time", "max_tokens": 32}}},
                answer=Completion,
                chunk=Completion,
            )
        },
        "/v1/embeddings": {
            "post": _post(
                "createEmbedding",
                "Turn texts into vectors",
                "OpenAI",
                EmbeddingRequest,
                examples={"texts": {"value": {"model": embedding, "input": ["One text", "and another"]}}},
                answer=EmbeddingList,
            )
        },
        "/v1/rerank": {
            "post": _post(
                "createRerank",
                "Order documents by how well they answer a query; also at /rerank",
                "Scores",
                RerankBody,
                examples={"documents": {"value": {"model": score, "query": query, "documents": documents, "top_n": 1}}},
                answer=Ranking,
            )
        },
        "/v1/score": {
            "post": _post(
                "createScore",
                "Score pairs of texts; also at /score",
                "Scores",
                ScoreBody,
                examples={"pairs": {"value": {"model": score, "text_1": query, "text_2": documents}}},
                answer=ScoreList,
            )
        },
        "/v1/classify": {
            "post": _post(
                "createClassification",
                "Find the class of texts; also at /classify",
                "Scores",
                ClassifyBody,
                examples={"texts": {"value": {"model": classify, "input": ["One text", "and another"]}}},
                answer=ClassificationList,
            )
        },
        "/v1/models": {"get": _get("listModels", "The models of the repository", "OpenAI", ModelList)},
        "/v1/models/{model}": {
            "get": {
                **_get("retrieveModel", "One model", "OpenAI", Model, errors=_UNKNOWN_MODEL),
                "parameters": [_model_name(chat)],
            }
        },
        "/tokenize": {
            "post": _post(
                "tokenize",
                "Text or messages into token ids",
                "Tokens",
                TokenizeBody,
                examples={"text": {"value": {"model": chat, "prompt": "Say hello."}}},
                answer=Tokenized,
            )
        },
        "/detokenize": {
            "post": _post(
                "detokenize",
                "Token ids into text",
                "Tokens",
                DetokenizeBody,
                examples={"tokens": {"value": {"model": chat, "tokens": [1, 2, 3]}}},
                answer=Detokenized,
            )
        },
        **kserve.paths(models),
        "/v1/interfaces": {
            "get": _get("listInterfaces", "What clients of each model are written against", "Server", InterfaceList)
        },
        "/v1/stat": {"get": _get("statAll", "What the instances of all models are doing", "Server", Activity)},
        "/v1/stat/{model}": {
            "get": {
                **_get("stat", "What the instances of one are", "Server", ModelActivity, errors=_UNKNOWN_MODEL),
                "parameters": [_model_name(chat)],
            }
        },
        "/livez": {"get": _get("livez", "Whether the process is alive", "Server", Alive)},
        "/readyz": {"get": _readyz()},
        "/metrics": {"get": _metrics()},
    }


@cache
def _schemas() -> Json:
    """Made once: it takes longer than many a request."""
    return msgspec.json.schema_components(_TYPES, ref_template="#/components/schemas/{name}")[1]


def _example_model(models: list[VersionStatus], task: Task) -> str:
    return next((status.model for status in models if task in status.tasks), "smollm2")


def _model_name(example: str) -> Json:
    """The parameter of a path that ends with a model's name."""
    return {
        "name": "model",
        "in": "path",
        "required": True,
        "description": "Its folder's name or one of its served names; slashes and colons may be in it.",
        "schema": {"type": "string", "minLength": 1},
        "example": example,
    }


def _schema(kind: type[msgspec.Struct]) -> Json:
    return {"$ref": f"#/components/schemas/{kind.__name__}"}


def _get(
    operation: str,
    summary: str,
    tag: str,
    answer: type[msgspec.Struct],
    errors: tuple[tuple[type[JubakoError], str], ...] = (),
) -> Json:
    return {
        "operationId": operation,
        "summary": summary,
        "tags": [tag],
        "responses": {"200": _answer("The answer.", answer), **_errors(errors)},
    }


def _post(
    operation: str,
    summary: str,
    tag: str,
    body: type[msgspec.Struct],
    *,
    examples: Json,
    answer: type[msgspec.Struct],
    chunk: type[msgspec.Struct] | None = None,
) -> Json:
    ok = _answer("The answer.", answer)
    if chunk is not None:
        ok["description"] = "The answer; with `stream` true, server-sent events."
        ok["content"]["text/event-stream"] = {
            "schema": {
                "type": "object",
                "description": f"One event: a line `data: <{chunk.__name__} as JSON>` and an empty line. The last event is "
                "`data: [DONE]`; where the answer can't go on, the last is `data: <ErrorAnswer as JSON>` instead.",
                "required": ["data"],
                "properties": {"data": {"type": "string"}},
            },
        }
    return {
        "operationId": operation,
        "summary": summary,
        "tags": [tag],
        "requestBody": {"required": True, "content": {"application/json": {"schema": _schema(body), "examples": examples}}},
        "responses": {"200": ok, **_errors(_POST_ERRORS)},
    }


def _answer(description: str, kind: type[msgspec.Struct]) -> Json:
    return {
        "description": description,
        "headers": _REQUEST_ID_HEADER,
        "content": {"application/json": {"schema": _schema(kind)}},
    }


def _errors(errors: tuple[tuple[type[JubakoError], str], ...]) -> Json:
    described = {str(kind.http_status): _answer(description, ErrorAnswer) for kind, description in errors}
    for status, kind in {str(kind.http_status): kind for kind, _ in errors}.items():
        if kind in (Overloaded, ModelNotReady) or not issubclass(kind, ClientError):
            described[status]["headers"] = {
                **_REQUEST_ID_HEADER,
                "retry-after": {"description": "Seconds.", "schema": {"type": "integer"}},
            }
    return described


def _readyz() -> Json:
    operation = _get("readyz", "Whether new requests may be sent here", "Server", Readiness)
    operation["responses"]["503"] = _answer("Not now; each model says why.", Readiness)
    return operation


def _metrics() -> Json:
    return {
        "operationId": "metrics",
        "summary": "Prometheus metrics",
        "tags": ["Server"],
        "responses": {
            "200": {
                "description": "Prometheus' text format.",
                "headers": _REQUEST_ID_HEADER,
                "content": {"text/plain": {"schema": {"type": "string"}}},
            }
        },
    }
