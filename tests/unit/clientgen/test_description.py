"""What can be known of models that nobody serves; some of them are loaded for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from jubako.clientgen.description import describe, entries
from jubako.errors import ConfigurationError
from jubako.messages import VersionStatus
from jubako.routing.interface import ModelInterface
from tests.unit.engines.onnx_models import sum_and_difference

TALK = "backend: echo\ndescription: Talks.\ntasks: [chat]\nserved_names: [Org/Talk]\nversions: all\naliases: {stable: 1}\n"
DOUBLE = "backend: python\ndescription: Doubles.\nmax_batch_size: 4\n"
DOUBLE_CODE = """\
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from jubako.model import Shape

Row = Annotated[NDArray[np.float32], Shape(3, name="y")]


class Model:
    def infer(self, x: Annotated[NDArray[np.float32], Shape(3)]) -> Row:
        return x * 2
"""
WHOLE = """\
backend: onnx
max_batch_size: 8
inputs: [{name: a, datatype: FP32, shape: [3]}, {name: b, datatype: FP32, shape: [3]}]
outputs: [{name: sum, datatype: FP32, shape: [3]}, {name: difference, datatype: FP32, shape: [3]}]
"""

Write = Callable[..., Path]


def described(root: Path, *names: str) -> tuple[dict[str, ModelInterface], set[str]]:
    """The interfaces by name, and the models that were loaded for them."""
    loaded: set[str] = set()

    def watch(versions: list[VersionStatus]) -> None:
        loaded.update(version.model for version in versions)

    found = asyncio.run(describe(root, root.parent / "cache", names or entries(root), watch))
    return {model.name: model for model in found}, loaded


def test_a_model_of_text_is_known_from_its_entry(repository: Write) -> None:
    root = repository(talk=TALK)
    (root / "talk" / "2").mkdir()
    models, loaded = described(root)
    talk = models["talk"]
    assert (talk.description, talk.served_names, talk.versions, talk.aliases) == ("Talks.", ["Org/Talk"], [1, 2], {"stable": 1})
    assert talk.tasks == ["chat"]
    assert talk.digest
    assert loaded == set()


def test_a_model_whose_entry_says_all_is_not_loaded_and_would_say_the_same(repository: Write) -> None:
    root = repository(whole=WHOLE, open="backend: onnx\nmax_batch_size: 8\n")
    for name in ("whole", "open"):
        sum_and_difference(root / name / "1" / "model.onnx")
    models, loaded = described(root)
    assert loaded == {"open"}
    assert models["whole"].digest == models["open"].digest != ""


def test_code_is_loaded_and_only_where_it_was_asked_for(repository: Write) -> None:
    root = repository(double=DOUBLE, other=DOUBLE, broken="backend: nothing\n", failing=DOUBLE)
    for name, code in {"double": DOUBLE_CODE, "other": DOUBLE_CODE, "failing": "raise RuntimeError('No such luck.')"}.items():
        (root / name / "1" / "model.py").write_text(code)
    models, loaded = described(root, "double", "failing", "broken")
    assert loaded == {"double", "failing"}
    signature = models["double"].signature
    assert signature is not None
    assert [(spec.name, spec.datatype, spec.shape) for spec in signature.inputs] == [("x", "FP32", [3])]
    assert "No such luck." in models["failing"].unknown
    assert "'nothing'" in models["broken"].unknown
    assert not models["broken"].digest


def test_a_name_that_nobody_has(repository: Write) -> None:
    with pytest.raises(ConfigurationError, match=r"no model 'tolk'.* Did you mean `talk`"):
        described(repository(talk=TALK), "tolk")
