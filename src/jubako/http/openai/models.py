"""GET /v1/models and /v1/models/{id}, and the check that a model serves what is asked of it."""

from __future__ import annotations

from jubako.dataplane.protocol import Plane
from jubako.errors import Unsupported
from jubako.http.exchange import Exchange
from jubako.http.openai.answers import Model, ModelList, encode
from jubako.messages import Task, VersionStatus

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


async def index(exchange: Exchange, plane: Plane) -> None:
    await exchange.answer(encode(ModelList([_model(status) for status in plane.models()])))


async def retrieve(exchange: Exchange, plane: Plane) -> None:
    await exchange.answer(encode(_model(plane.model(exchange.path.removeprefix(PREFIX)))))


def serving(plane: Plane, name: str, task: Task, exchange: Exchange) -> VersionStatus:
    """The version that `name` means, if it serves `task`; the exchange's log line will name it.

    Raises:
        ModelNotFound: no model has that name.
        Unsupported: it serves other tasks; the message says where to ask for them.
    """
    status = plane.model(name)
    exchange.model = status.model
    # Of an entry that could not be read nobody knows the tasks: the plane says why it can't be asked.
    if status.tasks and task not in status.tasks:
        serves = ", ".join(f"{served} ({_ENDPOINTS[served]})" for served in status.tasks)
        raise Unsupported(
            f"The model {name!r} does not serve {task} ({_ENDPOINTS[task]}). It serves: {serves}.",
            param="model",
            code="unsupported_task",
        )
    return status


def _model(status: VersionStatus) -> Model:
    return Model(
        id=status.model,
        created=status.created,
        owned_by=OWNER,
        aliases=[name for name in status.served_names if name != status.model],
        state=status.state,
        reason=status.reason or None,
        version=status.version,
        tasks=status.tasks,
        backend=status.backend,
        max_model_len=status.info.context_length if status.info else None,
    )
