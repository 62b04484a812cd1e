"""A Python package, made of models with everything that is hard: its style, its types, and what it checks."""

from __future__ import annotations

import importlib
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from jubako_client import Client, InternalError, InvalidRequest, ModelVersion, Signature, TensorSpec
from jubako_client.options import CallOptions

from jubako.clientgen.package import Package
from jubako.clientgen.python.emitter import python_files
from tests.unit.clientgen.checking import check_style, check_types, check_types_with_pyright, examples
from tests.unit.clientgen.conftest import MADE
from tests.unit.clientgen.models import NASTY, tensor, tensor_model

USE = """\
from pathlib import Path

import numpy as np
from jubako_client import Client
from PIL import Image
from nasty_models import AsyncModels, ModelName, Models, TensorsOutputs
from nasty_models.tensors import NP_LABELS, NpLabel


def use(models: Models) -> None:
    text: str = models.talk.chat("Say hello.", max_tokens=3).text
    for delta in models.talk(alias="stable").chat("Say hello.", stream=True):
        text += delta.text
    models.talk(version=2).complete("Once upon a time")
    models.everything.embed(["a"]).astype(np.float32)
    outputs: TensorsOutputs = models.tensors.infer(
        x_0_2=np.zeros((1, 1, 3), np.float32),
        x_0=[0.5],
        self_=[[[True, False], [True, False]]],
        timeout_s_=[[1, 2]],
        input=[[1]],
        q_=[[1.0]],
        hidden=np.zeros((1, 1), np.float16),
        input_1st=[[1]],
        class_=[["text"]],
        timeout_s=3.0,
    )
    models.picture.infer(colours=Path("a.jpg"), Pixels=Image.new("L", (6, 4)), with_images_=b"GIF89a", files=["a.png", b"GIF89a"])
    models.picture.infer(colours=np.zeros((1, 2, 3), np.uint8), Pixels=[[[0]]], with_images_=["a.png"], files=[])
    models.pictures.infer(rows=["a.jpg", Image.new("RGB", (4, 4))], files=["a.png", b"GIF89a"])
    models.pictures.infer(rows=np.zeros((2, 4, 2, 4), np.uint8), files=[[Path("a.png")], [b"GIF89a"]])
    label: NpLabel = NP_LABELS[int(outputs.np_[0].argmax())]
    name: ModelName = "Org/Talk-135M"
    answers = [answer.o for answer in models.stream.infer(n=[1])]
    print(label, name, answers)


async def use_async(models: AsyncModels) -> None:
    print((await models.talk.chat("Say hello.")).text)
    async for answer in models.stream.infer(n=[1]):
        print(answer.o)


use(Models(Client()))
"""

WRONG = {
    "models.talk(version=3)": "Literal[1, 2]",
    'models.talk(alias="unheard")': "No overload variant",
    'models.a_b.complete("x")': 'has no attribute "complete"',
    "models.stream.infer(n=FLOATS)": "floating[_32Bit]",
    "models.stream.infer()": 'Missing named argument "n"',
    "models.picture.infer(colours=1, with_images_=b'')": '"int"; expected "ndarray[tuple[Any, ...], dtype[unsignedinteger',
    "models.stream.infer(n=[1], m=[2])": 'Unexpected keyword argument "m"',
}


def test_it_is_formatted_and_free_of_lint(python_package: Path) -> None:
    check_style(python_package)


def test_it_and_its_use_are_typed(python_package: Path, tmp_path: Path) -> None:
    (python_package / "src" / "use.py").write_text(USE)
    (python_package / "src" / "readme.py").write_text(examples(python_package / "README.md"))
    check_types(python_package / "src", "nasty_models", "use", "readme")


@pytest.mark.skipif(shutil.which("npx") is None, reason="pyright is a package of npm")
def test_pyright_finds_nothing_in_it(python_package: Path, tmp_path: Path) -> None:
    shutil.copytree(python_package / "src" / "nasty_models", tmp_path / "nasty_models")
    (tmp_path / "use.py").write_text(USE)
    check_types_with_pyright(tmp_path)


def test_wrong_uses_are_refused_before_they_run(python_package: Path) -> None:
    lines = [f"def wrong_{number}(models: Models) -> None:\n    {line}\n" for number, line in enumerate(WRONG)]
    text = "import numpy as np\nfrom nasty_models import Models\n\nFLOATS = np.zeros(1, np.float32)\n\n" + "\n\n".join(lines)
    (python_package / "src" / "wrong.py").write_text(text)
    with pytest.raises(AssertionError) as refused:
        check_types(python_package / "src", "wrong")
    for reason in WRONG.values():
        assert reason in str(refused.value)
    assert str(refused.value).count("error: ") == len(WRONG)


def test_the_same_models_make_the_same_package() -> None:
    again = Package(name=MADE.name, version=MADE.version, models=sorted(NASTY, key=lambda model: model.digest))
    one, other = python_files(MADE), python_files(again)
    interface = "src/nasty_models/interface.json"
    assert {name: text for name, text in one.items() if name != interface} == {
        name: text for name, text in other.items() if name != interface
    }


def test_no_input_takes_the_place_of_an_option() -> None:
    options = sorted(CallOptions.__optional_keys__)
    files = python_files(Package(name="m", version="1.0.0", models=[tensor_model("m", [tensor(name) for name in options], [])]))
    for name in options:
        assert f"        {name}_: npt.NDArray" in files["src/m/m.py"]


# --- what it does without a server ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def package(python_package: Path) -> ModuleType:
    return importlib.import_module("nasty_models")


@pytest.fixture(scope="module")
def infer(package: ModuleType) -> Callable[..., object]:
    """Asks a model of tensors; nobody answers."""
    given = {
        "x_0_2": np.zeros((1, 1, 3), np.float32),
        "x_0": np.zeros(1, np.float32),
        "self_": np.zeros((1, 2, 2), np.bool_),
        "timeout_s_": np.zeros((1, 5), np.uint8),
        "input": np.zeros((1, 1), np.int64),
        "q_": np.zeros((1, 1)),
        "hidden": np.zeros((1, 1), np.float16),
        "input_1st": np.zeros((1, 1), np.uint64),
    }

    def ask(**inputs: object) -> object:
        models = package.Models(Client("127.0.0.1:1", retries=0))
        return models.tensors.infer(**{**given, **inputs})

    return ask


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("x_0_2", np.zeros((1, 3), np.float32), r"'x:0' of 'tensors' must have the shape \[batch, any, 3\]; \[1, 3\] came"),
        ("x_0_2", np.zeros((1, 1, 4), np.float32), r"\[batch, any, 3\]; \[1, 1, 4\] came"),
        ("x_0_2", np.zeros((1, 1, 3)), "must be FP32; an array of float64 came"),
        ("x_0_2", [[[1, 2, 3], [1, 2]]], "equally long"),
        ("x_0_2", None, "must be FP32"),
        ("x_0", np.zeros(1), "must be BF16"),
        ("self_", [[[0, 1], [1, 0]]], "must be BOOL"),
        ("timeout_s_", [[256]], "must be UINT8; the list holds a number that is too large"),
        ("timeout_s_", [[-1]], "too large or too small"),
        ("timeout_s_", [[1.5]], "holds what is none"),
        ("input", [[10**30]], "must be INT64"),
        ("class_", "text", r"must have the shape \[batch, 1\]; \[\] came"),
        ("class_", [[1]], "must hold text or bytes"),
        ("class_", np.zeros((1, 1)), "must hold text or bytes"),
    ],
)
def test_an_input_that_does_not_fit_is_not_sent(infer: Callable[..., object], name: str, value: object, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message) as refused:
        infer(**{name: value})
    assert refused.value.param


def test_versions_and_aliases_are_names_of_the_model(package: ModuleType) -> None:
    models = package.Models(Client())
    assert [models.talk.name, models.talk(version=2).name, models.talk(alias="next").name] == ["talk", "talk:2", "talk@next"]


def test_an_output_that_is_another_is_an_error(package: ModuleType) -> None:
    answer = importlib.import_module("nasty_models._tensors").Answer
    interface = importlib.import_module("nasty_models._interface").INTERFACES["tensors"]
    for arrays, message in (({}, "lacks the output 'np'"), ({"np": np.zeros((1, 3))}, "gave float64")):
        with pytest.raises(InternalError, match=message):
            answer(interface, arrays).array("np", np.float16)


# --- drift ----------------------------------------------------------------------------------------------------------------


def served(signature: Signature | None, **more: Any) -> ModelVersion:
    known: dict[str, Any] = {"model": "stream", "version": 1, "state": "ready", "reason": "", "served_names": ("stream",)}
    known |= {"tasks": ("infer",), "backend": "python", "context_length": None, "adapters": (), "created": 0, "aliases": ()}
    return ModelVersion(**{**known, "signature": signature, "interface_digest": "another", **more})


def test_drift_says_what_has_changed(package: ModuleType) -> None:
    drift = importlib.import_module("nasty_models._drift")
    other = TensorSpec("n", "INT64", (1,), False, (), "", False)
    (first, *_) = [line for line in drift.drift([served(Signature((other,), (), 0, True, ""))]) if "'stream'" in line]
    assert first.startswith("The model 'stream' has changed. Gone: input 'n' INT32 [1]; output 'o' INT32 [2]; labels of 'o'")
    assert first.endswith("New: input 'n' INT64 [1].")
    assert "The server has no model 'talk'." in drift.drift([])


def test_a_model_that_is_not_loaded_has_not_drifted(package: ModuleType) -> None:
    drift = importlib.import_module("nasty_models._drift")
    assert not [line for line in drift.drift([served(None, interface_digest="")]) if "'stream'" in line]


def test_drift_is_told_as_one_likes(package: ModuleType) -> None:
    drift = importlib.import_module("nasty_models._drift")
    with pytest.warns(package.DriftWarning, match="It has changed"):
        drift.tell(["It has changed."], "warn")
    with pytest.raises(package.Drifted, match="Make it again"):
        drift.tell(["It has changed."], "raise")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drift.tell(["It has changed."], "ignore")
        drift.tell([], "raise")


def test_the_digest_is_that_of_the_model(package: ModuleType) -> None:
    assert {model.name: model.digest for model in NASTY} == package.DIGESTS
    changed = tensor_model("stream", [tensor("n", "INT64")], [], decoupled=True)
    assert changed.digest != package.DIGESTS["stream"]
