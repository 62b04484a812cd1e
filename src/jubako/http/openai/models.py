"""GET /v1/models and /v1/models/{id}, and the check that a model serves what is asked of it."""

from __future__ import annotations

import msgspec

from jubako.dataplane.protocol import Plane
from jubako.dataplane.tasks import require_task
from jubako.http.exchange import Exchange
from jubako.http.openai.answers import Model, ModelList, encode
from jubako.messages import Task, VersionStatus
from jubako.routing.interface import digest_of

PREFIX = "/v1/models/"
OWNER = "jubako"

_ENDPOINTS: dict[Task, str] = {
    "chat": "/v1/chat/completions",
    "completion": "/v1/completions",
    "embedding": "/v1/embeddings",
    "score": "/v1/rerank and /v1/score",
    "classify": "/v1/classify",
    "infer": "/v2/models/{name}/infer",
}


class Adapter(Model, frozen=True, kw_only=True):
    """A LoRA adapter, as vLLM shows it: a model with a `parent`."""

    parent: str


async def index(exchange: Exchange, plane: Plane) -> None:
    models: list[Model] = []
    for status in plane.models():
        model = _model(status, plane)
        models += [model, *_adapters(status, model)]
    await exchange.answer(encode(ModelList(models)))


async def retrieve(exchange: Exchange, plane: Plane) -> None:
    name = exchange.path.removeprefix(PREFIX)
    status = plane.model(name)
    model = _model(status, plane)
    adapter = next((adapter for adapter in _adapters(status, model) if adapter.id == name), None)
    await exchange.answer(encode(adapter or model))


def serving(plane: Plane, name: str, task: Task, exchange: Exchange) -> VersionStatus:
    """The version that `name` means, if it serves `task`; the exchange's log line will name it.

    Raises:
        ModelNotFound: no model has that name.
        Unsupported: it serves other tasks; the message says where to ask for them.
    """
    status = plane.model(name)
    exchange.model = status.model
    require_task(status, task, name, _ENDPOINTS)
    return status


def _model(status: VersionStatus, plane: Plane) -> Model:
    return Model(
        id=status.model,
        created=status.created,
        owned_by=OWNER,
        aliases=[name for name in status.served_names if name != status.model and name not in status.adapters],
        state=status.state,
        reason=status.reason or None,
        version=status.version,
        tasks=status.tasks,
        backend=status.backend,
        max_model_len=status.info.context_length if status.info else None,
        version_aliases={alias: each.version for each in plane.index() if each.model == status.model for alias in each.aliases},
        interface_digest=digest_of(status) or None,
    )


def _adapters(status: VersionStatus, model: Model) -> list[Adapter]:
    fields = msgspec.structs.asdict(model) | {"aliases": [], "parent": model.id}
    return [Adapter(**fields | {"id": name}) for name in status.adapters]
