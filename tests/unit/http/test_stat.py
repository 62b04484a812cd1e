"""What each instance is doing."""

from __future__ import annotations

import os
import time

import httpx
import msgspec

from jubako.channel.frames import Load
from jubako.messages import InstanceStatus, StatisticsResult
from tests.unit.http.fake_plane import CHAT, FakePlane


def put_two_instances(plane: FakePlane) -> None:
    ready = InstanceStatus(id="talk-2-0", address="", state="READY", pid=os.getpid(), restarts=1)
    starting = InstanceStatus(id="talk-2-1", address="", state="STARTING")
    plane.statuses[0] = msgspec.structs.replace(CHAT, instances=[ready, starting])
    plane.busy["talk-2-0"] = Load(running=3, queued=2, capacity=4, progress=9, kv_cache_usage=0.25)
    plane.counted = StatisticsResult(requests=33, last_request_ms=int((time.time() - 60) * 1000))


async def test_a_model_by_any_of_its_names(client: httpx.AsyncClient, plane: FakePlane) -> None:
    put_two_instances(plane)
    for name in ("talk", "Org/Talk-2B", "Org%2FTalk-2B"):
        answer = (await client.get(f"/v1/stat/{name}")).json()
        ready, starting = answer.pop("instances")
        assert answer == {
            "model": "talk",
            "version": 2,
            "state": "READY",
            "reason": None,
            "backend": "echo",
            "tasks": ["chat", "completion"],
            "aliases": [],
            "load_balance_strategy": "least_busy",
        }
        assert 60 <= ready.pop("idle_s") < 90
        assert ready.pop("rss_bytes") > 1_000_000
        assert ready == {
            "id": "talk-2-0",
            "state": "READY",
            "pid": os.getpid(),
            "restarts": 1,
            "running": 3,
            "queued": 2,
            "capacity": 4,
            "kv_cache_usage": 0.25,
            "requests": 33,
        }
        assert starting["state"] == "STARTING"
        assert (starting["pid"], starting["rss_bytes"], starting["running"], starting["capacity"]) == (None, None, None, None)


async def test_all_models(client: httpx.AsyncClient, plane: FakePlane) -> None:
    put_two_instances(plane)
    answer = (await client.get("/v1/stat")).json()
    assert answer["object"] == "list"
    assert [(each["model"], each["version"]) for each in answer["data"]] == [(s.model, s.version) for s in plane.statuses]
    assert len(answer["data"][0]["instances"]) == 2


async def test_an_unknown_model(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/stat/tlak")
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "model_not_found"
