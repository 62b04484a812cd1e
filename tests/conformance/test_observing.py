"""What watches a real server: `jubako stat`, for scripts made for byzer-llm, and metrics, for dashboards made for vLLM."""

from __future__ import annotations

import json
import os
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.serving import Server
from tests.unit.cli.command import jubako


def ask(server: Server, words: str) -> None:
    body = {"model": "echo", "messages": [{"role": "user", "content": words}]}
    assert httpx.post(f"{server.api}/chat/completions", json=body, timeout=60).status_code == 200


def stat(server: Server, *arguments: str) -> Any:
    ran = jubako("stat", *arguments, "--url", server.url)
    assert (ran.returncode, ran.stderr) == (0, "")
    return json.loads(ran.stdout)


def test_stat_of_a_model(echo_server: Server) -> None:
    ask(echo_server, "one")
    before = stat(echo_server, "echo")
    ask(echo_server, "two")
    after = stat(echo_server, "Org/Echo-1B")
    assert list(after)[:8] == [
        "total_workers",
        "busy_workers",
        "idle_workers",
        "load_balance_strategy",
        "total_requests",
        "state",
        "worker_max_concurrency",
        "workers_last_work_time",
    ]
    assert (after["total_workers"], after["busy_workers"], after["idle_workers"]) == (1, 0, 1)
    assert after["total_requests"] == [before["total_requests"][0] + 1]
    assert after["state"] == [after["worker_max_concurrency"]]
    assert 0 <= float(after["workers_last_work_time"][0].removesuffix("s")) < 60
    (instance,) = after["instances"]
    assert (instance["state"], instance["running"], instance["restarts"]) == ("READY", 0, 0)
    assert instance["rss_bytes"] > 1_000_000
    os.kill(instance["pid"], 0)


def test_stat_of_all_models(echo_server: Server) -> None:
    assert [(each["model"], each["version"], each["version_state"]) for each in stat(echo_server)] == [("echo", 1, "READY")]


def test_stat_of_a_model_that_is_not_there(echo_server: Server) -> None:
    ran = jubako("stat", "ecko", "--url", echo_server.url)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == "error: The model 'ecko' does not exist. Did you mean 'echo'?\n"


def test_the_metrics_page_has_vllm_s_names(echo_server: Server) -> None:
    def page() -> dict[str, float]:
        text = httpx.get(f"{echo_server.url}/metrics", timeout=60).text
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
        return {sample.name: sample.value for sample in samples if sample.labels.get("model_name") == "echo"}

    before = page()
    ask(echo_server, "three words here")
    after = page()
    assert after["vllm:generation_tokens_total"] - before["vllm:generation_tokens_total"] == 3
    assert after["vllm:e2e_request_latency_seconds_count"] - before["vllm:e2e_request_latency_seconds_count"] == 1
    assert after["vllm:num_requests_running"] == after["vllm:num_requests_waiting"] == 0
