"""The server, its models, the repository, shared memory, trace and log settings."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from jubako.messages import BatchStatistics, Duration, SchedulerStatistics, SharedRegion, StatisticsResult, VersionStatus
from tests.unit.http.fake_plane import FakePlane, identity


def message(response: httpx.Response, status: int) -> str:
    assert response.status_code == status, response.text
    body = response.json()
    assert set(body) == {"error"}
    return str(body["error"])


def version(state: Any, number: int, reason: str = "", model: str = "broken") -> VersionStatus:
    return VersionStatus(
        model=model, version=number, state=state, served_names=[], tasks=["infer"], backend="onnx", reason=reason
    )


# --- the server -------------------------------------------------------------------------------------------------------------


async def test_the_server(client: httpx.AsyncClient) -> None:
    answer = (await client.get("/v2")).json()
    assert answer["name"] == "jubako"
    assert {"binary_tensor_data", "generate", "system_shared_memory"} <= set(answer["extensions"])


async def test_health(client: httpx.AsyncClient, plane: FakePlane) -> None:
    assert (await client.get("/v2/health/live")).json() == {"live": True}
    assert (await client.get("/v2/health/ready")).json() == {"ready": True}
    plane.is_ready = False
    response = await client.get("/v2/health/ready")
    assert (response.status_code, response.json()) == (503, {"ready": False})


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2/nothing", 404),
        ("GET", "/v2/models/identity/infer", 405),
        ("PUT", "/v2/logging", 405),
        ("GET", "/v2/models/x/y", 404),
    ],
)
async def test_errors_have_the_shape_of_the_protocol(client: httpx.AsyncClient, method: str, path: str, status: int) -> None:
    response = await client.request(method, path)
    assert message(response, status)
    assert ("allow" in response.headers) == (status == 405)


# --- models -----------------------------------------------------------------------------------------------------------------


async def test_metadata_has_the_batch_dimension_and_the_ready_versions(client: httpx.AsyncClient, plane: FakePlane) -> None:
    plane.statuses.append(version("FAILED", 7, model="identity"))
    assert (await client.get("/v2/models/identity/versions/1")).json() == {
        "name": "identity",
        "versions": ["1", "3"],
        "platform": "python",
        "inputs": (
            tensors := [
                {"name": "INPUT0", "datatype": "FP32", "shape": [-1, 16]},
                {"name": "text_input", "datatype": "BYTES", "shape": [-1, 1]},
            ]
        ),
        "outputs": tensors,
    }


async def test_metadata_of_a_model_without_a_batch_dimension(client: httpx.AsyncClient, plane: FakePlane) -> None:
    plane.statuses.append(identity("whole", batch=0))
    assert (await client.get("/v2/models/whole")).json()["inputs"][0]["shape"] == [16]


async def test_metadata_before_the_model_is_loaded(client: httpx.AsyncClient, plane: FakePlane) -> None:
    plane.statuses.append(version("LOADING", 1))
    response = await client.get("/v2/models/broken")
    assert "loading" in message(response, 503)
    assert response.headers["retry-after"] == "1"


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("identity", 200, {"name": "identity", "ready": True, "reason": None}),
        ("identity/versions/3", 200, {"name": "identity", "ready": True, "reason": None}),
        ("broken", 503, {"name": "broken", "ready": False, "reason": "No file model.onnx."}),
    ],
)
async def test_a_model_is_ready(client: httpx.AsyncClient, plane: FakePlane, path: str, status: int, body: object) -> None:
    plane.statuses.append(version("FAILED", 1, "No file model.onnx."))
    response = await client.get(f"/v2/models/{path}/ready")
    assert (response.status_code, response.json()) == (status, body)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("Org/Talk-2B", "Org/Talk-2B"),
        ("Org/Talk-2B", "Org%2FTalk-2B"),
        ("talk:2b", "talk:2b"),
        ("talk:2b", "talk%3A2b"),
        ("a/ready", "a%2Fready"),
        ("versions/versions", "versions/versions"),
        ("größe", "gr%C3%B6%C3%9Fe"),
        ("50%25", "50%2525"),
        ("stats", "stats"),
    ],
)
async def test_names_with_slashes_colons_and_more(client: httpx.AsyncClient, plane: FakePlane, name: str, path: str) -> None:
    if name not in plane.statuses[0].served_names:
        plane.statuses.append(identity(name))
    assert (await client.get(f"/v2/models/{path}/ready")).json()["name"] == name
    # The second time it comes from what is remembered.
    assert (await client.get(f"/v2/models/{path}/ready")).json()["name"] == name
    if name not in plane.statuses[0].served_names:
        assert (await client.get(f"/v2/models/{path}/versions/1/config")).json()["name"] == name


async def test_the_configuration_is_the_entry_s(client: httpx.AsyncClient, plane: FakePlane) -> None:
    assert (await client.get("/v2/models/identity/config")).json() == {"name": "identity", "max_batch_size": 8}
    plane.statuses.append(
        VersionStatus(
            model="broken", version=0, state="FAILED", served_names=[], tasks=[], backend="", reason="This is not YAML."
        )
    )
    refused = await client.get("/v2/models/broken/config")
    assert refused.status_code == 503
    assert refused.json() == {"error": "The entry of the model 'broken' can't be read: This is not YAML."}


async def test_statistics(client: httpx.AsyncClient, plane: FakePlane) -> None:
    plane.counted = StatisticsResult(
        last_inference_ms=1_700_000_000_000,
        inferences=6,
        executions=2,
        success=Duration(3, 900),
        compute_infer=Duration(3, 500),
        batches=[BatchStatistics(4, Duration(1, 1), Duration(1, 2), Duration(1, 3))],
        scheduler=SchedulerStatistics(reason="The queue was empty."),
    )
    (stats,) = (await client.get("/v2/models/identity/versions/1/stats")).json()["model_stats"]
    assert (stats["name"], stats["version"], stats["last_inference"]) == ("identity", "1", 1_700_000_000_000)
    assert (stats["inference_count"], stats["execution_count"]) == (6, 2)
    assert stats["inference_stats"]["success"] == {"count": 3, "ns": 900}
    assert stats["inference_stats"]["cache_hit"] == {"count": 0, "ns": 0}
    assert stats["batch_stats"][0]["compute_output"] == {"count": 1, "ns": 3}
    assert stats["scheduler"]["reason"] == "The queue was empty."
    everything = (await client.get("/v2/models/stats")).json()["model_stats"]
    assert [(s["name"], s["version"]) for s in everything if s["name"] == "identity"] == [("identity", "1"), ("identity", "3")]


# --- the repository ---------------------------------------------------------------------------------------------------------


async def test_the_index_has_every_version_and_why_it_is_not_ready(client: httpx.AsyncClient, plane: FakePlane) -> None:
    plane.statuses = [identity(), version("FAILED", 1, "No file."), version("UNLOADED", 2), version("LOADING", 3)]
    answer = (await client.post("/v2/repository/index")).json()
    assert answer == [
        {"name": "identity", "version": "1", "state": "READY", "reason": ""},
        {"name": "broken", "version": "1", "state": "UNAVAILABLE", "reason": "No file."},
        {"name": "broken", "version": "2", "state": "UNAVAILABLE", "reason": "unloaded"},
        {"name": "broken", "version": "3", "state": "LOADING", "reason": ""},
    ]
    assert len((await client.post("/v2/repository/index", json={"ready": True})).json()) == 1
    assert len((await client.post("/v2/repository/index", json={"ready": False})).json()) == 4


async def test_load_and_unload(client: httpx.AsyncClient, plane: FakePlane) -> None:
    for body in (b"", b"{}", b'{"parameters":{"unload_dependents":false}}'):
        assert (await client.post("/v2/repository/models/Org%2FTalk-2B/load", content=body)).status_code == 200
        assert (await client.post("/v2/repository/models/identity/unload", content=body)).status_code == 200
    assert plane.loads == ["+Org/Talk-2B", "-identity"] * 3
    assert "'nobody'" in message(await client.post("/v2/repository/models/nobody/load"), 404)


@pytest.mark.parametrize("parameters", [{"config": "{}"}, {"file:1/model.onnx": "AAAA"}])
async def test_files_are_not_taken_from_requests(client: httpx.AsyncClient, plane: FakePlane, parameters: dict[str, str]) -> None:
    said = message(await client.post("/v2/repository/models/identity/load", json={"parameters": parameters}), 400)
    assert next(iter(parameters)) in said
    assert not plane.loads


# --- shared memory ----------------------------------------------------------------------------------------------------------


async def test_shared_memory(client: httpx.AsyncClient, plane: FakePlane) -> None:
    url = "/v2/systemsharedmemory"
    for name in ("a", "b%2Fc"):
        body = {"key": "/key", "offset": 8, "byte_size": 64}
        assert (await client.post(f"{url}/region/{name}/register", json=body)).status_code == 200
    assert plane.shared[1] == SharedRegion(name="b/c", key="/key", byte_size=64, offset=8)
    listed = [{"name": name, "key": "/key", "offset": 8, "byte_size": 64} for name in ("a", "b/c")]
    assert (await client.get(f"{url}/status")).json() == listed
    assert (await client.get(f"{url}/region/a/status")).json() == listed[:1]
    assert "'x'" in message(await client.get(f"{url}/region/x/status"), 404)
    assert (await client.post(f"{url}/region/a/unregister")).status_code == 200
    assert [region.name for region in plane.shared] == ["b/c"]
    assert (await client.post(f"{url}/unregister")).status_code == 200
    assert not plane.shared


@pytest.mark.parametrize(
    "body",
    [{"key": "/k"}, {"key": "", "byte_size": 1}, {"key": "/k", "byte_size": 0}, {"key": "/k", "byte_size": 1, "offset": -1}],
)
async def test_a_wrong_region(client: httpx.AsyncClient, plane: FakePlane, body: dict[str, Any]) -> None:
    message(await client.post("/v2/systemsharedmemory/region/a/register", json=body), 400)
    assert not plane.shared


async def test_cuda_shared_memory_is_refused_in_words(client: httpx.AsyncClient) -> None:
    url = "/v2/cudasharedmemory"
    assert (await client.get(f"{url}/status")).json() == []
    assert (await client.post(f"{url}/unregister")).status_code == 200
    assert (await client.post(f"{url}/region/a/unregister")).status_code == 200
    message(await client.get(f"{url}/region/a/status"), 404)
    said = message(
        await client.post(f"{url}/region/a/register", json={"raw_handle": {"b64": ""}, "device_id": 0, "byte_size": 1}), 400
    )
    assert "CUDA" in said


# --- trace and log ----------------------------------------------------------------------------------------------------------


async def test_trace_settings_are_kept_and_given_back(client: httpx.AsyncClient) -> None:
    url, model = "/v2/trace/setting", "/v2/models/identity/trace/setting"
    before = (await client.get(url)).json()
    assert before["trace_level"] == ["OFF"]
    changed = (await client.post(url, json={"trace_level": ["TIMESTAMPS"], "trace_rate": 5, "trace_file": "x"})).json()
    assert changed == {**before, "trace_level": ["TIMESTAMPS"], "trace_rate": "5", "trace_file": "x"}
    # A model goes by the server's, but for what is its own.
    assert (await client.post(model, json={"trace_rate": "7"})).json() == {**changed, "trace_rate": "7"}
    assert (await client.post(url, json={"trace_level": "TENSORS"})).json()["trace_level"] == ["TENSORS"]
    assert (await client.get(model)).json() == {**changed, "trace_level": ["TENSORS"], "trace_rate": "7"}
    assert (await client.post(model, json={"trace_rate": None})).json()["trace_rate"] == "5"
    assert (await client.post(url, json=dict.fromkeys(before))).json() == before
    message(await client.post(url, json={"trace_lvl": "OFF"}), 400)
    message(await client.get("/v2/models/nobody/trace/setting"), 404)


@pytest.fixture
def root_level() -> Iterator[None]:
    level = logging.getLogger().level
    yield
    logging.getLogger().setLevel(level)


@pytest.mark.usefixtures("root_level")
async def test_the_log_level_is_applied(client: httpx.AsyncClient) -> None:
    logging.getLogger().setLevel(logging.INFO)
    settings = (await client.get("/v2/logging")).json()
    assert settings == {
        "log_file": "",
        "log_info": True,
        "log_warning": True,
        "log_error": True,
        "log_verbose_level": 0,
        "log_format": "default",
    }
    for change, level in [
        ({"log_verbose_level": 1}, logging.DEBUG),
        ({"log_verbose_level": 0}, logging.INFO),
        ({"log_info": False}, logging.WARNING),
        ({"log_warning": False}, logging.ERROR),
        ({"log_error": False}, logging.CRITICAL),
        (settings, logging.INFO),
    ]:
        assert (await client.post("/v2/logging", json=change)).status_code == 200
        assert logging.getLogger().level == level
    assert "stderr" in message(await client.post("/v2/logging", json={"log_file": "x"}), 400)
    message(await client.post("/v2/logging", json={"log_format": "ISO8601"}), 400)
    message(await client.post("/v2/logging", json={"log_info": 1}), 400)
