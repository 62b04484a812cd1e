"""The pages of docs/ name what there is: every field, every metric."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
from prometheus_client import Counter, Gauge, Histogram

from jubako.dataplane.inference_metrics import InferenceCollector, VersionStatistics
from jubako.dataplane.metrics import Metrics
from jubako.dataplane.vllm_metrics import TextVersion, vllm_families
from jubako.http.openai.classify import ClassifyBody
from jubako.http.openai.rerank import RerankBody
from jubako.http.openai.score import ScoreBody
from jubako.http.openai.wire import ChatCompletionRequest, CompletionBody, EmbeddingRequest
from jubako.messages import StatisticsResult
from jubako.paths import shipped


def page(name: str) -> str:
    return Path(shipped("docs") / name).read_text()


@pytest.mark.parametrize("kind", [ChatCompletionRequest, CompletionBody, EmbeddingRequest, RerankBody, ScoreBody, ClassifyBody])
def test_every_field_is_documented(kind: type[msgspec.Struct]) -> None:
    documented = set(re.findall(r"`(\w+)[`.]", page("openai-api.md")))
    assert set(kind.__struct_fields__) - documented == set()


def test_every_metric_is_documented() -> None:
    documented = set(re.findall(r"^\| `(\w+)` \|", page("metrics.md"), re.MULTILINE))
    defined = {
        f"{name}_total" if isinstance(metric, Counter) else name
        for metric in vars(Metrics()).values()
        if isinstance(metric, Counter | Gauge | Histogram)
        for name in [next(iter(metric.describe())).name]
    }
    ours = {name for name in inference_metrics() if name.startswith("jubako_")}
    assert documented == defined | ours


def test_triton_s_metrics_are_there_under_their_names() -> None:
    named = set(re.findall(r"`(nv_\w+)`", page("metrics.md")))
    assert named
    assert named <= {name.removesuffix("_total") for name in inference_metrics()}


def inference_metrics() -> set[str]:
    """The names of what instances of tensor models say of themselves."""
    families = InferenceCollector([VersionStatistics("m", 1, StatisticsResult())]).collect()
    return {f"{family.name}_total" if family.type == "counter" else family.name for family in families}


def test_every_metric_of_vllm_is_documented() -> None:
    named = set(re.findall(r"^\| `(vllm:\w+)` \| (\w+) \|", page("metrics.md"), re.MULTILINE))
    made = vllm_families([], [TextVersion("m", 1, 0, 0, kv_cache_usage=0.0)])
    assert named == {(f"{each.name}_total" if each.type == "counter" else each.name, each.type) for each in made}
