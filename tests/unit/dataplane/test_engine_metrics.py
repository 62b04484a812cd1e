"""The metrics page: vLLM's names for every text model, and what engines measure themselves."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from jubako.dataplane.control import Control
from jubako.dataplane.engine_metrics import InstanceMetrics, engine_families
from jubako.dataplane.metrics import Metrics
from jubako.dataplane.plane import DataPlane
from jubako.dataplane.vllm_metrics import TextVersion
from jubako.errors import InternalError, PromptTooLong
from jubako.messages import Caller, ChatRequest, EngineMetric, Message, Sample, StatisticsResult, Timings, Usage
from jubako.routing.fleet import Fleet
from tests.unit.dataplane.conftest import FakeRunner, version
from tests.unit.dataplane.test_plane import until

# vLLM's, with their types.
NAMES = {
    "vllm:num_requests_running": "gauge",
    "vllm:num_requests_waiting": "gauge",
    "vllm:kv_cache_usage_perc": "gauge",
    "vllm:prompt_tokens": "counter",
    "vllm:generation_tokens": "counter",
    "vllm:request_success": "counter",
    "vllm:time_to_first_token_seconds": "histogram",
    "vllm:inter_token_latency_seconds": "histogram",
    "vllm:e2e_request_latency_seconds": "histogram",
    "vllm:request_queue_time_seconds": "histogram",
    "vllm:request_prompt_tokens": "histogram",
    "vllm:request_generation_tokens": "histogram",
}
TEXT = TextVersion("m", 1, running=2, waiting=1, kv_cache_usage=0.5)
LABELS = {"model_name": "m", "engine": "0", "version": "1"}


def families(page: bytes) -> dict[str, Metric]:
    """The page, which must be valid: each family once, each sample once."""
    found: dict[str, Metric] = {}
    for family in text_string_to_metric_families(page.decode()):
        assert family.name not in found, family.name
        found[family.name] = family
        keys = [(sample.name, *sorted(sample.labels.items())) for sample in family.samples]
        assert len(keys) == len(set(keys)), family.name
    return found


def value(family: Metric, suffix: str = "", **labels: str) -> float:
    (sample,) = (s for s in family.samples if s.name == family.name + suffix and labels.items() <= s.labels.items())
    return sample.value


def generate(metrics: Metrics, task: str, *reasons: str) -> None:
    with metrics.of(version(), task).measure() as measurement:
        for reason in reasons:
            measurement.finished(reason)  # type: ignore[arg-type]
        measurement.generated(Usage(prompt_tokens=30, completion_tokens=7))
        measurement.timings(Timings(queue_s=0.02, first_token_s=0.2, gaps_s=[0.03, 0.03]))


def fail(metrics: Metrics, error: BaseException) -> None:
    with pytest.raises(type(error)), metrics.of(version(), "chat").measure():
        raise error


def test_every_text_model_has_vllm_s_metrics_before_its_first_request() -> None:
    page = families(Metrics().page(texts=[TEXT]))
    assert {name: family.type for name, family in page.items() if name.startswith("vllm:")} == NAMES
    for name in NAMES:
        assert all(LABELS.items() <= sample.labels.items() for sample in page[name].samples)
    assert value(page["vllm:num_requests_running"]) == 2
    assert value(page["vllm:num_requests_waiting"]) == 1
    assert value(page["vllm:kv_cache_usage_perc"]) == 0.5
    assert value(page["vllm:prompt_tokens"], "_total") == 0
    assert value(page["vllm:time_to_first_token_seconds"], "_bucket", le="+Inf") == 0
    assert {sample.labels["finished_reason"] for sample in page["vllm:request_success"].samples} >= {"stop", "length", "abort"}


def test_what_an_engine_does_not_tell_is_left_out() -> None:
    assert "vllm:kv_cache_usage_perc" not in families(Metrics().page(texts=[TextVersion("m", 1, 0, 0)]))
    assert not any(name.startswith("vllm:") for name in families(Metrics().page()))


def test_chats_and_completions_are_counted_together() -> None:
    metrics = Metrics()
    generate(metrics, "chat", "stop")
    generate(metrics, "chat", "tool_calls")
    generate(metrics, "complete", "length", "length")
    fail(metrics, asyncio.CancelledError())
    fail(metrics, InternalError("the engine broke"))
    fail(metrics, PromptTooLong("never reached the engine"))
    with metrics.of(version(), "embed").measure() as measurement:
        measurement.usage(Usage(prompt_tokens=1000))
    page = families(metrics.page(texts=[TEXT]))
    assert value(page["vllm:prompt_tokens"], "_total") == 90
    assert value(page["vllm:generation_tokens"], "_total") == 21
    ends = {sample.labels["finished_reason"]: sample.value for sample in page["vllm:request_success"].samples}
    assert {reason: ends[reason] for reason in ("stop", "length", "abort", "error")} == {
        "stop": 2,
        "length": 2,
        "abort": 1,
        "error": 1,
    }
    assert value(page["jubako_request_success"], "_total", task="complete", finish_reason="length") == 2
    first = page["vllm:time_to_first_token_seconds"]
    assert [value(first, "_bucket", le=bound) for bound in ("0.1", "0.25", "+Inf")] == [0, 3, 3]
    assert value(first, "_sum") == pytest.approx(0.6)
    assert value(page["vllm:inter_token_latency_seconds"], "_count") == 6
    assert value(page["vllm:request_queue_time_seconds"], "_bucket", le="0.025") == 3
    assert value(page["vllm:request_prompt_tokens"], "_bucket", le="20.0") == 0
    assert value(page["vllm:request_prompt_tokens"], "_bucket", le="50.0") == 3
    assert value(page["vllm:request_generation_tokens"], "_sum") == 21
    assert value(page["vllm:e2e_request_latency_seconds"], "_count") == 3, "what failed has no answer whose time could be told"


def test_several_processes_are_added_up_once(tmp_path: Path) -> None:
    program = """
import sys
from pathlib import Path
from jubako.dataplane.metrics import Metrics
from tests.unit.dataplane.test_engine_metrics import TEXT, generate
metrics = Metrics(Path(sys.argv[1]))
for _ in range(int(sys.argv[2])):
    generate(metrics, "chat", "stop")
sys.stdout.buffer.write(metrics.page(texts=[TEXT]))
"""
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}

    def gateway(requests: int) -> dict[str, Metric]:
        command = [sys.executable, "-c", program, str(tmp_path), str(requests)]
        return families(subprocess.run(command, env=environment, capture_output=True, check=True).stdout)

    assert value(gateway(0)["vllm:prompt_tokens"], "_total") == 0
    gateway(2)
    page = gateway(3)
    assert value(page["vllm:prompt_tokens"], "_total") == 150
    assert value(page["vllm:time_to_first_token_seconds"], "_bucket", le="+Inf") == 5
    assert value(page["vllm:time_to_first_token_seconds"], "_count") == 5
    assert value(page["vllm:request_success"], "_total", finished_reason="stop") == 5
    assert value(page["vllm:num_requests_running"]) == 2


OWN = [
    EngineMetric("engine:steps", "counter", "Steps.", [Sample("engine:steps_total", {"kind": "prefill"}, 3.0)]),
    EngineMetric("vllm:prompt_tokens_total", "counter", "Ours is better.", [Sample("vllm:prompt_tokens_total", {}, 99.0)]),
    EngineMetric(
        "engine:batch",
        "histogram",
        'With a "quote"\nand a line.',
        [
            Sample("engine:batch_bucket", {"le": "1.0"}, 1.0),
            Sample("engine:batch_bucket", {"le": "+Inf"}, 2.0),
            Sample("engine:batch_count", {}, 2.0),
            Sample("engine:batch_sum", {}, 5.0),
        ],
    ),
    EngineMetric("engine:free", "gauge", "Free.", [Sample("engine:free", {"model": "inner", "text": 'a"b\n'}, 0.25)]),
    EngineMetric("engine:most", "counter", "Not named as a counter.", [Sample("engine:most", {}, 7.0)]),
    EngineMetric("not a name", "gauge", "Wrong.", [Sample("not a name", {}, 1.0)]),
    EngineMetric("engine:odd", "gauge", "Samples of another.", [Sample("engine:even", {}, 1.0)]),
]


def test_the_engines_own_metrics_pass_through_family_by_family() -> None:
    engines = [
        InstanceMetrics("m", 1, "m-1-0", OWN),
        InstanceMetrics("m", 1, "m-1-1", OWN),
        InstanceMetrics("n", 4, "n-4-0", OWN),
    ]
    page = families(Metrics().page(texts=[TEXT], engines=engines))
    steps = page["engine:steps"]
    assert steps.type == "counter"
    assert [sample.labels for sample in steps.samples] == [
        {"kind": "prefill", "model": model, "version": number, "instance": instance}
        for model, number, instance in (("m", "1", "m-1-0"), ("m", "1", "m-1-1"), ("n", "4", "n-4-0"))
    ]
    assert (page["engine:most"].type, value(page["engine:most"], instance="m-1-0")) == ("unknown", 7)
    assert page["engine:batch"].type == "histogram"
    assert value(page["engine:batch"], "_sum", instance="m-1-1") == 5
    (free,) = (sample for sample in page["engine:free"].samples if sample.labels["instance"] == "n-4-0")
    assert (free.labels["model"], free.labels["exported_model"], free.labels["text"]) == ("n", "inner", 'a"b\n')
    assert value(page["vllm:prompt_tokens"], "_total") == 0, "jubako's own"
    assert not any(name.startswith(("not", "engine:odd", "engine:even")) for name in page)


def test_an_engine_that_has_counted_nothing_yet_hides_no_other() -> None:
    nothing = EngineMetric("engine:steps", "counter", "Steps.", [])
    (family,) = engine_families([InstanceMetrics("a", 1, "a-1", [nothing]), InstanceMetrics("b", 1, "b-1", OWN[:1])], set())
    assert (family.type, [sample.labels["model"] for sample in family.samples]) == ("counter", ["b"])


def test_engines_that_disagree_on_a_type_do_not_break_the_page() -> None:
    gauge = EngineMetric("engine:x", "gauge", "One.", [Sample("engine:x", {}, 1.0)])
    counter = EngineMetric("engine:x", "counter", "Other.", [Sample("engine:x_total", {}, 2.0)])
    (family,) = engine_families([InstanceMetrics("a", 1, "a-1", [gauge]), InstanceMetrics("b", 1, "b-1", [counter])], set())
    assert family.type == "gauge"
    assert [sample.labels["model"] for sample in family.samples] == ["a"]


async def test_the_page_asks_every_instance_and_waits_for_none_too_long(fleet: Fleet, runner: FakeRunner) -> None:
    plane = DataPlane(fleet, Metrics(), Control("nobody.sock"), statistics_s=3)
    one, two, three = [await runner.start_instance(name) for name in ("one", "two", "three")]
    runner.kv_cache_usage = 0.25
    one.counted = StatisticsResult(engine_metrics=OWN)
    two.counted = three.counted = None
    versions = [version(runner.instance("one"), runner.instance("two")), version(runner.instance("three"), model="other")]
    runner.say(*versions)
    await until(lambda: fleet.snapshot is not None and sum(len(fleet.channels(each)) for each in versions) == 3)
    await plane.generate(ChatRequest(model="other", messages=[Message("user", "hi")]), Caller("id"))
    async for _ in plane.stream(ChatRequest(model="m", messages=[Message("user", "hi")]), Caller("id")):
        pass
    start = time.monotonic()
    page = families(await plane.metrics())
    assert time.monotonic() - start < 5.9, "both silent instances are waited for at the same time"
    assert [sample.labels["instance"] for sample in page["engine:steps"].samples] == ["one"]
    assert value(page["vllm:request_success"], "_total", model_name="other", finished_reason="stop") == 1
    assert value(page["vllm:request_success"], "_total", model_name="m", finished_reason="stop") == 1
    assert value(page["vllm:time_to_first_token_seconds"], "_count", model_name="other") == 1
    assert value(page["vllm:kv_cache_usage_perc"], model_name="m") == 0.25
    assert value(page["vllm:num_requests_running"], model_name="other") == 1, "the question that it does not answer"


async def test_what_an_instance_that_is_too_busy_said_last_still_counts(fleet: Fleet, runner: FakeRunner) -> None:
    plane = DataPlane(fleet, Metrics(), Control("nobody.sock"), statistics_s=1)
    model = await runner.start_instance("one")
    model.counted = StatisticsResult(requests=7, inferences=7, engine_metrics=OWN)
    served = version(runner.instance("one"), tasks=["infer"])
    runner.say(served)
    await until(lambda: fleet.snapshot is not None and len(fleet.channels(served)) == 1)
    before = families(await plane.metrics())
    model.counted = None
    after = families(await plane.metrics())
    for name in ("jubako_inference_rows", "engine:steps"):
        assert after[name].samples == before[name].samples != []
    assert (await plane.statistics("m")).requests == 7
