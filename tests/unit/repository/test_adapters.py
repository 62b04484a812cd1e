"""LoRA adapters of an entry, which are names under which requests find its model."""

from __future__ import annotations

from pathlib import Path

import pytest

from jubako.backends.declarations import BACKENDS
from jubako.repository.repository import read_repository
from tests.unit.repository.conftest import Write

ENTRY = "backend: vllm\nsource: file:{root}\n"


def problems(root: Path) -> list[tuple[int, str]]:
    return [(problem.line, problem.message) for problem in read_repository(root, BACKENDS).problems]


def test_adapters_are_served_names(write: Write, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    text = ENTRY.format(root=tmp_path) + f"adapters:\n  polite: adapters/polite\n  terse: {tmp_path}/elsewhere\n"
    root = write({"m/model.yaml": text, "m/1/version.yaml": "", "m/adapters/polite/adapter_config.json": "{}"})
    assert problems(root) == []
    model = read_repository(root, BACKENDS).models["m"]
    assert model.served_names == ("m", "polite", "terse")
    assert model.config.adapters == {"polite": "adapters/polite", "terse": f"{tmp_path}/elsewhere"}


@pytest.mark.parametrize(
    ("more", "line", "message"),
    [
        ("adapters: {a: gone}\n", 3, "`adapters.a` names 'gone', but there is no folder"),
        ("adapters: {m: 1}\n", 3, "must be text"),
        ("adapters: {m: '1'}\n", 3, "The adapter's name 'm' is a name of the model itself; it needs one of its own."),
        ("served_names: [b]\nadapters: {b: '1'}\n", 4, "The adapter's name 'b' is a name of the model itself"),
        ("adapters: {'a b': '1'}\n", 3, "has spaces"),
        ("adapters: {n: '1'}\n", 3, "`adapters` claims 'n', which is the name of another entry."),
        ("adapters: {x: '1'}\n", 3, "`adapters` claims 'x', which n/model.yaml:2 claims too. Only one entry can have a name."),
    ],
)
def test_adapters_that_can_not_be(write: Write, tmp_path: Path, more: str, line: int, message: str) -> None:
    entry = {"m/model.yaml": ENTRY.format(root=tmp_path) + more, "m/1/version.yaml": ""}
    root = write({**entry, "n/model.yaml": "backend: echo\nserved_names: [x]\n", "n/1/version.yaml": ""})
    assert [(at, said) for at, said in problems(root) if message in said and at == line], problems(root)


def test_a_backend_without_adapters_refuses_them(write: Write) -> None:
    root = write({"m/model.yaml": "backend: echo\nadapters: {a: '1'}\n", "m/1/version.yaml": ""})
    assert problems(root) == [(2, "The backend 'echo' can't use `adapters`; these can: lmdeploy, vllm.")]


def test_an_engine_may_have_parameters_of_its_own(write: Write, tmp_path: Path) -> None:
    text = ENTRY.format(root=tmp_path) + "engine: {max-model-len: 512, block-size: 32}\n"
    over = "engine: {block_size: 64, max_num_seqs: 2}\n"
    root = write({"m/model.yaml": text, "m/1/version.yaml": over})
    engine = read_repository(root, BACKENDS).models["m"].latest.engine
    assert {name: value for name, value in engine.items() if value is not None} == {
        "max_model_len": 512,
        "max_num_seqs": 2,
        "block_size": 64,
        "trust_remote_code": False,
    }


def test_those_that_are_known_are_checked(write: Write, tmp_path: Path) -> None:
    root = write({"m/model.yaml": ENTRY.format(root=tmp_path) + "engine:\n  max-num-seqs: none\n", "m/1/version.yaml": ""})
    assert problems(root) == [(4, "`engine.max_num_seqs` must be a whole number; it is 'none'.")]
