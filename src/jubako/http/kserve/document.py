"""The Open Inference Protocol's part of the OpenAPI document."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from jubako.errors import (
    ClientError,
    Conflict,
    DeadlineExceeded,
    InternalError,
    InvalidRequest,
    JubakoError,
    ModelNotFound,
    ModelNotReady,
    NotFound,
    Overloaded,
    PayloadTooLarge,
    UnsupportedMediaType,
)
from jubako.http.kserve.answers import (
    AliasAnswer,
    IndexedVersion,
    InferAnswer,
    Live,
    ModelConfiguration,
    ModelMetadata,
    ModelReady,
    Ready,
    RegionStatus,
    ServerMetadata,
    StatisticsAnswer,
)
from jubako.http.kserve.errors import ErrorMessage
from jubako.http.kserve.logs import LogBody
from jubako.http.kserve.trace import TraceBody
from jubako.http.kserve.wire import AliasBody, IndexBody, InferBody, LoadBody, RegisterBody
from jubako.kserve.logs import LogSettings
from jubako.kserve.trace import TraceSettings
from jubako.messages import VersionStatus

Json = dict[str, Any]
Errors = tuple[tuple[type[JubakoError], str], ...]

TYPES: Final = (
    AliasAnswer,
    AliasBody,
    ErrorMessage,
    IndexBody,
    IndexedVersion,
    InferAnswer,
    InferBody,
    Live,
    LoadBody,
    LogBody,
    LogSettings,
    ModelConfiguration,
    ModelMetadata,
    ModelReady,
    Ready,
    RegionStatus,
    RegisterBody,
    ServerMetadata,
    StatisticsAnswer,
    TraceBody,
    TraceSettings,
)

TAGS: Final[list[Json]] = [
    {"name": "Tensors", "description": "The Open Inference Protocol (KServe V2), with Triton's extensions."},
    {"name": "Repository", "description": "Which models are loaded, and the shared memory and settings of Triton's clients."},
]

_UNKNOWN: Errors = ((ModelNotFound, "No model has that name, or it has no such version."),)
_NOT_LOADED: Errors = (*_UNKNOWN, (ModelNotReady, "The model is not loaded yet."))
_ALIASES: Errors = (
    (NotFound, "There is no such model, version or alias; the message says which there are."),
    (Conflict, "The repository can't be written, so the alias means what it meant."),
    (ModelNotReady, "The version can't be loaded, or the server is starting or shutting down."),
)
_BODY: Errors = (
    (InvalidRequest, "The request is wrong; the message says where, what was expected and what came."),
    (PayloadTooLarge, "The body is larger than max_body_bytes, as it is or decompressed."),
    (UnsupportedMediaType, "The body is compressed in a way that is not known here."),
)
_ASKING: Errors = (
    *_BODY,
    *_UNKNOWN,
    (Overloaded, "The model's queue is full; nothing was started. Try again after `retry-after` seconds."),
    (InternalError, "The server or the model failed; the log has more under the request id."),
    (ModelNotReady, "The model is loading, failed, or its process died."),
    (DeadlineExceeded, "It took longer than the model's limits, or the request's `timeout`, allow."),
)
_ANYTHING: Final[Json] = {"type": "object"}
_REQUEST_ID: Final[Json] = {"x-request-id": {"schema": {"type": "string"}}}


def paths(models: list[VersionStatus]) -> Json:
    """The paths below /v2, with examples that name a model of this server."""
    tensors = next((status.model for status in models if "infer" in status.tasks), "identity")
    text = next((status.model for status in models if "completion" in status.tasks), "smollm2")
    tensor = {"name": "INPUT0", "datatype": "FP32", "shape": [1, 4], "data": [1, 2, 3, 4]}
    paths = {
        "/v2": {"get": _get("serverMetadata", "The server", "Tensors", ServerMetadata)},
        "/v2/health/live": {"get": _get("serverLive", "Whether the server is alive", "Tensors", Live)},
        "/v2/health/ready": {"get": _get("serverReady", "Whether new requests may be sent here", "Tensors", Ready, unready=True)},
        "/v2/models/stats": {"get": _get("allStatistics", "What all models have done", "Tensors", StatisticsAnswer)},
    }
    for version in ("", "/versions/{version}"):
        paths |= _of_model(f"/v2/models/{{model}}{version}", "Version" if version else "", tensors, text, tensor)
    return paths | _repository() | _settings() | _shared_memory("/v2/systemsharedmemory")


def _of_model(path: str, of: str, tensors: str, text: str, tensor: Json) -> Json:
    def at(name: str, operation: Json) -> Json:
        names = [("model", name), *([("version", "1")] if of else [])]
        return {**operation, "parameters": [_in_path(*pair) for pair in names]}

    words = {"text_input": "Say hello.", "max_tokens": 32}
    return {
        path: {"get": at(tensors, _get(f"model{of}Metadata", "The tensors of a model", "Tensors", ModelMetadata, _NOT_LOADED))},
        f"{path}/ready": {
            "get": at(
                tensors, _get(f"model{of}Ready", "Whether a model can be asked", "Tensors", ModelReady, _UNKNOWN, unready=True)
            )
        },
        f"{path}/config": {
            "get": at(
                tensors, _get(f"model{of}Config", "The configuration of a model", "Tensors", ModelConfiguration, _NOT_LOADED)
            )
        },
        f"{path}/stats": {
            "get": at(tensors, _get(f"model{of}Statistics", "What a model has done", "Tensors", StatisticsAnswer, _NOT_LOADED))
        },
        f"{path}/infer": {
            "post": at(tensors, _post(f"infer{of}", "Ask a model with tensors", InferBody, InferAnswer, {"inputs": [tensor]}))
        },
        f"{path}/generate": {
            "post": at(text, _post(f"generate{of}", "Ask a model with the fields of an object", None, None, words))
        },
        f"{path}/generate_stream": {"post": at(text, _stream(f"generate{of}Stream", words))},
    }


def _repository() -> Json:
    model = [_in_path("model", "identity")]
    return {
        "/v2/repository/index": {
            "post": _change("repositoryIndex", "Every version of every model", IndexBody, _list(IndexedVersion))
        },
        "/v2/repository/models/{model}/load": {
            "post": {**_change("load", "Load a model, or load it again", LoadBody, _ANYTHING, _NOT_LOADED), "parameters": model}
        },
        "/v2/repository/models/{model}/unload": {
            "post": {**_change("unload", "Serve a model no longer", LoadBody, _ANYTHING, _NOT_LOADED), "parameters": model}
        },
        "/v2/repository/models/{model}/aliases/{alias}": {
            "parameters": [*model, _in_path("alias", "stable")],
            "post": _change(
                "setAlias", "Let an alias mean a version", AliasBody, _schema(AliasAnswer), _ALIASES, example={"version": 1}
            ),
            "delete": _change("deleteAlias", "Let an alias mean nothing", None, _ANYTHING, _ALIASES),
        },
    }


def _settings() -> Json:
    model = [_in_path("model", "identity")]
    trace = _schema(TraceSettings)
    return {
        "/v2/logging": {
            "get": _get("logSettings", "What this process logs", "Repository", LogSettings),
            "post": _change("changeLogSettings", "Change what this process logs", LogBody, _schema(LogSettings)),
        },
        "/v2/trace/setting": {
            "get": _get("traceSettings", "The trace settings", "Repository", TraceSettings),
            "post": _change("changeTraceSettings", "Keep trace settings", TraceBody, trace),
        },
        "/v2/models/{model}/trace/setting": {
            "get": {
                **_get("modelTraceSettings", "The trace settings of a model", "Repository", TraceSettings, _UNKNOWN),
                "parameters": model,
            },
            "post": {
                **_change("changeModelTraceSettings", "Keep trace settings of a model", TraceBody, trace, _UNKNOWN),
                "parameters": model,
            },
        },
    }


def _shared_memory(path: str) -> Json:
    region = [_in_path("region", "region0")]
    unknown: Errors = ((NotFound, "No such region is registered."),)
    status = {"200": _answer("The regions.", _list(RegionStatus))}
    one = {"operationId": "regionStatus", "summary": "A region", "tags": ["Repository"], "parameters": region}
    return {
        f"{path}/status": {
            "get": {"operationId": "regionsStatus", "summary": "The regions", "tags": ["Repository"], "responses": status}
        },
        f"{path}/region/{{region}}/status": {"get": {**one, "responses": {**status, **_errors(unknown)}}},
        f"{path}/region/{{region}}/register": {
            "post": {**_change("registerRegion", "Register shared memory", RegisterBody, _ANYTHING), "parameters": region}
        },
        f"{path}/unregister": {"post": _change("unregisterRegions", "Forget all regions", None, _ANYTHING)},
        f"{path}/region/{{region}}/unregister": {
            "post": {**_change("unregisterRegion", "Forget a region", None, _ANYTHING), "parameters": region}
        },
    }


# The pieces


def _get(
    operation: str, summary: str, tag: str, answer: type[msgspec.Struct], errors: Errors = (), *, unready: bool = False
) -> Json:
    responses = {"200": _answer("The answer.", _schema(answer)), **_errors(errors)}
    if unready:
        responses["503"] = _answer("Not now.", _schema(answer))
    return {"operationId": operation, "summary": summary, "tags": [tag], "responses": responses}


def _change(
    operation: str,
    summary: str,
    body: type[msgspec.Struct] | None,
    answer: Json,
    errors: Errors = (),
    *,
    example: Json | None = None,
) -> Json:
    described: Json = {
        "operationId": operation,
        "summary": summary,
        "tags": ["Repository"],
        "responses": {"200": _answer("Done.", answer), **_errors((*_BODY, *errors))},
    }
    if body is not None:
        described["requestBody"] = {"content": {"application/json": {"schema": _schema(body), "example": example or {}}}}
    return described


def _post(
    operation: str,
    summary: str,
    body: type[msgspec.Struct] | None,
    answer: type[msgspec.Struct] | None,
    example: Json,
) -> Json:
    return {
        "operationId": operation,
        "summary": summary,
        "description": "Tensors may follow the JSON as bytes, in the request and in the answer: see docs/kserve-v2.md."
        if body
        else "",
        "tags": ["Tensors"],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": _schema(body) if body else _ANYTHING, "example": example}},
        },
        "responses": {
            "200": _answer("The answer.", _schema(answer) if answer else _ANYTHING),
            **_errors(_ASKING),
        },
    }


def _stream(operation: str, example: Json) -> Json:
    described = _post(operation, "Ask a model for any number of answers", None, None, example)
    described["responses"]["200"] = {
        "description": "An event for each answer: a line `data: <the object that generate answers>` and an empty line. Where it "
        "can't go on, the last is `data: <ErrorMessage as JSON>`.",
        "headers": _REQUEST_ID,
        "content": {"text/event-stream": {"schema": {"type": "object", "properties": {"data": {"type": "string"}}}}},
    }
    return described


def _answer(description: str, schema: Json) -> Json:
    return {"description": description, "headers": _REQUEST_ID, "content": {"application/json": {"schema": schema}}}


def _errors(errors: Errors) -> Json:
    described = {str(kind.http_status): _answer(description, _schema(ErrorMessage)) for kind, description in errors}
    for kind, _ in errors:
        if kind is Overloaded or not issubclass(kind, ClientError):
            retry = {"retry-after": {"description": "Seconds.", "schema": {"type": "integer"}}}
            described[str(kind.http_status)]["headers"] = {**_REQUEST_ID, **retry}
    return described


def _in_path(name: str, example: str) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}, "example": example}


def _schema(kind: type[msgspec.Struct]) -> Json:
    return {"$ref": f"#/components/schemas/{kind.__name__}"}


def _list(kind: type[msgspec.Struct]) -> Json:
    return {"type": "array", "items": _schema(kind)}
