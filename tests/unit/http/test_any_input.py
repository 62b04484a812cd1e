"""Whatever is sent, the answer is a 4xx in OpenAI's form or a success, and the server lives on."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jubako.http.application import Application
from jubako.http.openai.rerank import RerankBody
from jubako.http.openai.score import ScoreBody
from jubako.http.openai.wire import ChatCompletionRequest, CompletionBody, EmbeddingRequest, TokenizeBody
from jubako.kserve.trace import Tracing
from jubako.settings import Settings
from tests.unit.http.fake_plane import FakePlane

PATHS = [
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/embeddings",
    "/v1/rerank",
    "/v1/score",
    "/v1/classify",
    "/tokenize",
    "/detokenize",
    "/v1/models",
    "/v1/models/x",
    "/",
]
FIELDS = sorted(
    {
        field
        for kind in (ChatCompletionRequest, CompletionBody, EmbeddingRequest, RerankBody, ScoreBody, TokenizeBody)
        for field in kind.__struct_fields__
        if field != "stream"
    }
)

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8)
json_values = st.recursive(
    scalars | st.sampled_from(["talk", "embed", "user", "function", "auto", "json_object"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*FIELDS, "role", "content", "type", "function", "name"]) | st.text(max_size=5), inner, max_size=4
        )
    ),
    max_leaves=12,
)
messages = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "assistant", "tool", "system"]), "content": st.text(max_size=5) | json_values}
    ),
    max_size=3,
)
nearly_right = st.fixed_dictionaries(
    {"model": st.sampled_from(["talk", "embed", "rank", "sort", "nobody"])},
    optional={
        "messages": messages,
        "prompt": json_values,
        "input": json_values,
        "tokens": json_values,
        **{field: json_values for field in FIELDS if field not in ("model", "messages", "prompt", "input")},
    },
)


def send(path: str, content: bytes, headers: dict[str, str], method: str = "POST") -> httpx.Response:
    """One request to a fresh application, in memory: thousands are sent."""

    async def exchange() -> httpx.Response:
        plane = FakePlane()
        application = Application(plane.lifespan, Settings(access_log=False), Tracing(), guard=None)
        starting: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        started = asyncio.Event()

        async def receive() -> dict[str, Any]:
            return await starting.get()

        async def told(message: Any) -> None:
            started.set()

        life = asyncio.create_task(application({"type": "lifespan"}, receive, told))
        starting.put_nowait({"type": "lifespan.startup"})
        await started.wait()
        transport = httpx.ASGITransport(application, raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            response = await client.request(method, path, content=content, headers=headers)
        starting.put_nowait({"type": "lifespan.shutdown"})
        await life
        return response

    return asyncio.run(exchange())


def check(response: httpx.Response) -> None:
    assert response.status_code < 500, response.text
    assert response.headers["x-request-id"]
    if response.status_code >= 400:
        error = response.json()
        assert set(error) == {"error"}
        assert set(error["error"]) == {"message", "type", "param", "code"}
        assert error["error"]["message"]


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(path=st.sampled_from(PATHS), content=st.binary(max_size=60) | json_values.map(msgspec.json.encode))
def test_any_body(path: str, content: bytes) -> None:
    check(send(path, content, {"content-type": "application/json"}))


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(path=st.sampled_from(PATHS[:8]), body=nearly_right)
def test_any_nearly_right_request(path: str, body: dict[str, Any]) -> None:
    check(send(path, msgspec.json.encode(body), {"content-type": "application/json"}))


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    path=st.text(st.characters(codec="ascii", exclude_categories=["Cc"], exclude_characters="?#"), max_size=30),
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]),
    media=st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=30),
    request_id=st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=150),
)
def test_any_path_method_and_header(path: str, method: str, media: str, request_id: str) -> None:
    check(send("/" + path, b"{}", {"content-type": media, "x-request-id": request_id}, method))
