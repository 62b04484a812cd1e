"""Keys over HTTP: every route of the table, on a real socket."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import httpx
import pytest
import uvicorn

from jubako.access.guard import Guard
from jubako.access.key_file import KeyFile
from jubako.access.scope import ADMIN, ANY_KEY, INFER, METRICS, OPEN, SCOPES, SERVER_ADMIN, SERVER_METRICS, Access
from jubako.http.application import application, routes
from jubako.http.openapi import document
from jubako.http.secured import OPEN as DOCUMENTED_OPEN
from jubako.kserve.trace import Tracing
from jubako.settings import Settings
from tests.unit.access.conftest import LIMITED_TO, SECRETS, bearer
from tests.unit.http.fake_plane import FakePlane

MODEL: Final = "/v2/models/{model:path}"
VERSION: Final = f"{MODEL}/versions/{{version}}"

EXPECTED: Final[dict[str, Access]] = {
    **dict.fromkeys(
        ("/", "/docs", "/docs/", "/openapi.json", "/livez", "/readyz", "/v2/health/live", "/v2/health/ready"),
        OPEN,
    ),
    **dict.fromkeys(
        ("/v2", "/v1/models", "/v1/models/", "/v1/interfaces"),
        ANY_KEY,
    ),
    **dict.fromkeys((at + rest for at in (MODEL, VERSION) for rest in ("", "/ready", "/config")), ANY_KEY),
    **dict.fromkeys((at + rest for at in (MODEL, VERSION) for rest in ("/infer", "/generate", "/generate_stream")), INFER),
    **dict.fromkeys(
        (prefix + path for prefix in ("", "/v1") for path in ("/rerank", "/score", "/classify")),
        INFER,
    ),
    **dict.fromkeys(
        ("/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/tokenize", "/detokenize"),
        INFER,
    ),
    **dict.fromkeys(("/v1/stat", "/v1/stat/", "/v2/models/stats", f"{MODEL}/stats", f"{VERSION}/stats"), METRICS),
    "/metrics": SERVER_METRICS,
    **dict.fromkeys(
        (
            "/v2/repository/index",
            "/v2/repository/models/{model:path}/load",
            "/v2/repository/models/{model:path}/unload",
            "/v2/repository/models/{model:path}/aliases/{alias}",
        ),
        ADMIN,
    ),
    **dict.fromkeys(("/v2/logging", "/v2/trace/setting", f"{MODEL}/trace/setting"), SERVER_ADMIN),
    **dict.fromkeys(
        (
            f"/v2/{kind}sharedmemory{rest}"
            for kind in ("system", "cuda")
            for rest in (
                "/status",
                "/unregister",
                "/region/{region:path}/status",
                "/region/{region:path}/register",
                "/region/{region:path}/unregister",
            )
        ),
        SERVER_ADMIN,
    ),
}
"""Who may ask each path. A path that is new belongs in here too."""

TABLE: Final = list(routes(Tracing()))

IN_PATHS: Final = {"model": LIMITED_TO, "version": "2", "alias": "stable", "region": "region"}


def url_of(path: str) -> str:
    """An address that the path's route takes."""
    address = re.sub(r"\{(\w+)(:path)?\}", lambda found: IN_PATHS[found[1]], path)
    return f"{address}{LIMITED_TO}" if address.endswith("/") and address != "/" else address


@pytest.fixture
async def plane() -> FakePlane:
    return FakePlane()


@pytest.fixture
async def client(plane: FakePlane, key_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        gateway = application(plane.lifespan, Settings(access_log=False), Tracing(), Guard(key_path, look_s=0))
        config = uvicorn.Config(gateway, log_level="warning", access_log=False)
        config.load()
        server = uvicorn.Server(config)
        server.lifespan = config.lifespan_class(config)
        await server.startup(sockets=[listener])
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=30) as client:
            yield client
        await server.shutdown(sockets=[listener])


def test_every_route_is_for_whom_it_should_be() -> None:
    assert {path: access for _, path, access in TABLE} == EXPECTED


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer jk-nobody"}, {"x-api-key": "jk-nobody"}])
async def test_every_route_refuses_who_has_no_key(client: httpx.AsyncClient, plane: FakePlane, headers: dict[str, str]) -> None:
    for method, path, access in TABLE:
        answer = await client.request(method, url_of(path), headers=headers)
        if access.is_open:
            assert answer.status_code in (200, 404), path
            continue
        assert answer.status_code == 401, path
        assert answer.headers["www-authenticate"] == "Bearer"
        code = "invalid_api_key" if headers else "missing_api_key"
        if method == "HEAD":
            assert not answer.content
        elif path.startswith("/v2"):
            assert list(answer.json()) == ["error"]
            assert isinstance(answer.json()["error"], str)
        else:
            assert answer.json()["error"].items() >= {"type": "authentication_error", "code": code}.items(), path
    assert (plane.asked, plane.loads, plane.shared) == ([], [], [])


@pytest.mark.parametrize("name", [*SCOPES, "everything", "limited"])
async def test_every_route_takes_just_the_keys_that_are_for_it(client: httpx.AsyncClient, name: str) -> None:
    for method, path, access in TABLE:
        answer = await client.request(method, url_of(path), headers=bearer(name))
        has_scope = access.scope is None or name in (access.scope, "everything", "limited")
        if has_scope and not (access.all_models and name == "limited"):
            assert answer.status_code not in (401, 403), path
        else:
            assert answer.status_code == 403, path
            if method != "HEAD" and not path.startswith("/v2"):
                assert answer.json()["error"]["type"] == "permission_error"


async def test_what_has_no_route_has_none_with_a_key_or_without(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/nothing")).status_code == 404
    assert (await client.delete("/v1/models")).status_code == 405
    assert (await client.get("/v1/nothing", headers=bearer("everything"))).status_code == 404


async def test_a_body_is_not_read_before_the_key_is_checked(client: httpx.AsyncClient) -> None:
    url = client.base_url
    reader, writer = await asyncio.open_connection(url.host, url.port)
    head = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    writer.write(f"{head}content-length: 30000000\r\nexpect: 100-continue\r\n\r\n".encode())
    async with asyncio.timeout(20):
        status = await reader.readline()
    assert status == b"HTTP/1.1 401 Unauthorized\r\n", "and not 100 Continue"
    writer.close()


async def test_a_limited_key_sees_its_models_only(client: httpx.AsyncClient, plane: FakePlane) -> None:
    others = {status.model for status in plane.statuses} - {LIMITED_TO}
    for method, path in (
        ("GET", "/v1/models"),
        ("GET", "/v1/models/embed"),
        ("GET", "/v1/models/embe"),
        ("GET", "/v1/stat"),
        ("GET", "/v1/interfaces"),
        ("GET", "/readyz"),
        ("GET", "/v2/models/stats"),
        ("GET", "/v2/models/identity"),
        ("GET", "/v2/models/identity/versions/9"),
        ("POST", "/v2/models/identity/infer"),
        ("POST", "/v2/repository/index"),
        ("POST", "/v2/repository/models/identity/load"),
    ):
        answer = await client.request(method, path, headers=bearer("limited"))
        asked = path.split("/")
        assert not [name for name in others if f'"{name}"' in answer.text and name not in asked], (path, answer.text)
        assert not [name for name in others if f"'{name}'" in answer.text and name not in asked], (path, answer.text)
        assert answer.status_code == (404 if "identity" in path or "embe" in path else 200), path
    seen = await client.get("/v1/models", headers=bearer("limited"))
    assert [model["id"] for model in seen.json()["data"]] == [LIMITED_TO]


async def test_without_a_key_readiness_names_no_model(client: httpx.AsyncClient, plane: FakePlane) -> None:
    assert (await client.get("/readyz")).json() == {"ready": True, "models": []}
    named = (await client.get("/readyz", headers=bearer("infer"))).json()["models"]
    assert {model["model"] for model in named} == {status.model for status in plane.statuses}


async def test_without_a_key_the_document_s_examples_name_no_model(client: httpx.AsyncClient) -> None:
    assert '"model":"talk"' not in (await client.get("/openapi.json")).text
    assert '"model":"talk"' in (await client.get("/openapi.json", headers=bearer("infer"))).text


async def test_a_revoked_key_is_none_with_the_next_request(client: httpx.AsyncClient, key_path: Path) -> None:
    assert (await client.get("/v1/models", headers=bearer("infer"))).status_code == 200
    KeyFile(key_path).remove("infer")
    assert (await client.get("/v1/models", headers=bearer("infer"))).status_code == 401
    assert (await client.get("/v1/models", headers=bearer("admin"))).status_code == 200


async def test_no_answer_repeats_a_key(client: httpx.AsyncClient) -> None:
    for secret in [*SECRETS.values(), "jk-nobody"]:
        for path in ("/v1/models", "/metrics", "/v2", "/v1/nothing"):
            answer = await client.get(path, headers={"authorization": f"Bearer {secret}"})
            assert secret not in answer.text + str(answer.headers)


def test_the_document_says_which_paths_take_a_key() -> None:
    described = document([])
    paths = described["paths"]
    assert described["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    accesses = {re.sub(r":path(?=\})", "", path) + ("{model}" * (path.endswith("/") and path != "/")): a for _, path, a in TABLE}
    assert {path for path in paths if accesses[path].is_open} == DOCUMENTED_OPEN
    for path, item in paths.items():
        for name, operation in item.items():
            if name != "parameters":
                assert (operation.get("security") == []) is accesses[path].is_open, path
                assert ("401" in operation["responses"]) is not accesses[path].is_open, path
    assert json.dumps(paths)
