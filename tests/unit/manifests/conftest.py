"""Entries of every kind of engine, and what to run of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from jubako.backends.declarations import BACKENDS
from jubako.manifests import Workload
from jubako.manifests.resources import resources_of
from jubako.packaging.weights import WeightsMode
from jubako.repository.repository import read_repository

ENTRIES = {
    "smollm2": "backend: llama_cpp\nengine: {n_parallel: 5}\nlimits: {load_timeout_s: 900}\n",
    "Big_Model.7B": "backend: vllm\nengine: {tensor_parallel_size: 2}\n",
    "claude": "backend: anthropic\nengine: {model: claude-5}\n",
    "echo": "backend: echo\n",
}

Make = Callable[..., Workload]


@pytest.fixture
def workload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Makes a workload of the entry of this name, with the given fields."""
    for name, text in ENTRIES.items():
        (tmp_path / name / "1").mkdir(parents=True)
        (tmp_path / name / "model.yaml").write_text(text)
        (tmp_path / name / "1" / "weights").write_text("")

    def make(
        name: str = "smollm2",
        *,
        image: str = "registry.example.com/app@sha256:" + "0" * 64,
        replicas: int = 1,
        gpus: int = 0,
        namespace: str = "",
        weights: WeightsMode = "baked",
        weights_image: str = "",
        api_keys_secret: str = "",
        env_secret: str = "",
        grace_period_s: float = 30.0,
    ) -> Workload:
        found = read_repository(tmp_path, BACKENDS)
        assert found.problems == []
        model = found.models[name]
        return Workload(
            model=model,
            version=model.latest,
            image=image,
            resources=resources_of(model, 100_000_000),
            replicas=replicas,
            gpus=gpus,
            namespace=namespace,
            weights=weights,
            weights_image=weights_image,
            api_keys_secret=api_keys_secret,
            env_secret=env_secret,
            grace_period_s=grace_period_s,
        )

    return make
