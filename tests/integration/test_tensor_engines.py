"""ONNX, PyTorch and scikit-learn models served for real, and the examples' answers beside those of their packages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import skops.io
import torch
import tritonclient.http as triton
from magika import Magika
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from sklearn.linear_model import LogisticRegression

from jubako.tensors import Array, datatype_of
from tests.serving import Server
from tests.unit.engines.onnx_models import identity, sum_and_difference

ROWS = np.random.default_rng(7).random((6, 4)).astype(np.float32)


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    return torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3)).eval()


@pytest.fixture(scope="module")
def classifier() -> LogisticRegression:
    return LogisticRegression().fit(ROWS.astype(np.float64), ["cat", "dog"] * 3)


@pytest.fixture(scope="module")
def tensor_server(
    tmp_path_factory: pytest.TempPathFactory, network: torch.nn.Module, classifier: LogisticRegression
) -> Iterator[Server]:
    root = tmp_path_factory.mktemp("engines")
    repository = root / "repository"

    def entry(name: str, text: str) -> Path:
        (repository / name / "1").mkdir(parents=True)
        (repository / name / "model.yaml").write_text(text)
        return repository / name / "1"

    sum_and_difference(entry("arithmetic", "backend: onnx\n") / "model.onnx")
    identity(entry("wrong", "backend: onnx\ninputs: [{name: z, datatype: FP32, shape: [4]}]\n") / "model.onnx", ["n", 4])
    file = entry("network", "backend: torch\n") / "model.pt2"
    batch = torch.export.Dim("batch", min=1, max=64)
    torch.export.save(torch.export.export(network, (torch.zeros(2, 4),), dynamic_shapes=({0: batch},)), file)
    skops.io.dump(classifier, entry("animals", "backend: sklearn\n") / "model.skops")
    with Server(repository, root / "server.log", {}) as running:
        yield running


def client_of(server: Server) -> triton.InferenceServerClient:
    return triton.InferenceServerClient(server.url.removeprefix("http://"))


def ask(server: Server, model: str, inputs: Mapping[str, Array], outputs: dict[str, int]) -> dict[str, NDArray[Any]]:
    """The answer's outputs; those asked for with a number are classifications with so many classes."""
    tensors = []
    for name, array in inputs.items():
        tensors.append(triton.InferInput(name, list(array.shape), datatype_of(array)))
        tensors[-1].set_data_from_numpy(array)
    wanted = [triton.InferRequestedOutput(name, class_count=classes) for name, classes in outputs.items()]
    answer = client_of(server).infer(model, tensors, outputs=wanted)
    return {name: answer.as_numpy(name) for name in outputs}


# --- engines --------------------------------------------------------------------------------------------------------------


def test_an_onnx_model_without_a_word_about_it_is_served(tensor_server: Server) -> None:
    metadata = client_of(tensor_server).get_model_metadata("arithmetic")
    assert metadata["platform"] == "onnxruntime_onnx"
    assert metadata["inputs"] == [{"name": name, "datatype": "FP32", "shape": [-1, 3]} for name in ("a", "b")]
    pair = {"a": ROWS[:, :3].copy(), "b": ROWS[:, 1:].copy()}
    given = ask(tensor_server, "arithmetic", pair, {"sum": 0, "difference": 0})
    np.testing.assert_array_equal(given["sum"], pair["a"] + pair["b"])
    np.testing.assert_array_equal(given["difference"], pair["a"] - pair["b"])


def test_an_exported_program_is_served(tensor_server: Server, network: torch.nn.Module) -> None:
    (said,) = client_of(tensor_server).get_model_metadata("network")["inputs"]
    given = ask(tensor_server, "network", {said["name"]: ROWS}, {"OUTPUT__0": 0})["OUTPUT__0"]
    with torch.inference_mode():
        np.testing.assert_allclose(given, network(torch.from_numpy(ROWS)).numpy(), atol=1e-6)


def test_a_scikit_learn_model_is_served_with_its_classes(tensor_server: Server, classifier: LogisticRegression) -> None:
    rows = ROWS.astype(np.float64)
    given = ask(tensor_server, "animals", {"input": rows}, {"predict": 0, "predict_proba": 1})
    expected = [str(name).encode() for name in classifier.predict(rows)]
    assert given["predict"].tolist() == expected
    assert [line.split(b":")[2] for line in given["predict_proba"].ravel().tolist()] == expected


def test_an_entry_that_contradicts_its_file_fails_alone_and_says_why(tensor_server: Server) -> None:
    index = {each["name"]: each for each in httpx.post(f"{tensor_server.url}/v2/repository/index", json={}).json()}
    assert index["wrong"]["state"] == "UNAVAILABLE"
    assert "The model's file has no input 'z'. Known: x. It has: x FP32 [-1, 4]." in index["wrong"]["reason"]
    assert index["arithmetic"]["state"] == "READY"


# --- examples -------------------------------------------------------------------------------------------------------------

CONTENTS = {
    "python": Path(__file__).read_bytes(),
    "short": b'{"a": [1, 2]}',
    "white space": b"\n\n  <html><body>hello</body></html>\n \n" + b" " * 5000,
    "makefile": (Path(__file__).parents[2] / "Makefile").read_bytes(),
    "binary": bytes(range(256)) * 40,
    "png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(3000),
}


def magika_features(content: bytes) -> Array:
    begin, end = content[:4096].lstrip()[:1024], content[-4096:].rstrip()[-1024:]
    features = np.full((1, 2048), 256, dtype=np.int32)
    features[0, : len(begin)] = list(begin)
    features[0, 2048 - len(end) :] = list(end)
    return features


@pytest.mark.parametrize("kind", CONTENTS)
def test_magika_answers_as_its_package_does(server: Server, kind: str) -> None:
    client_of(server).load_model("magika")
    prediction = Magika().identify_bytes(CONTENTS[kind]).prediction
    given = ask(server, "magika", {"bytes": magika_features(CONTENTS[kind])}, {"target_label": 1})
    probability, _, label = given["target_label"].ravel()[0].decode().split(":")
    assert label == prediction.dl.label
    assert float(probability) == pytest.approx(prediction.score, abs=1e-4)


def test_orientation_tells_how_a_page_is_turned(server: Server) -> None:
    client_of(server).load_model("orientation")
    page = Image.new("RGB", (256, 256), "white")
    for line in range(16):
        words = "The quick brown fox jumps over the lazy dog."
        ImageDraw.Draw(page).text((12, 8 + 15 * line), words, "black", ImageFont.load_default(10))
    turned = [page, *(page.transpose(turn) for turn in (Image.Transpose.ROTATE_270, Image.Transpose.ROTATE_180))]
    pixels = np.stack([np.asarray(each, dtype=np.float32)[16:240, 16:240, ::-1] / 255 for each in turned])
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    rows = ((pixels - mean) / deviation).transpose(0, 3, 1, 2).astype(np.float32)
    given = ask(server, "orientation", {"x": np.ascontiguousarray(rows)}, {"fetch_name_0": 1})["fetch_name_0"]
    assert [line.decode().split(":")[2] for line in given.ravel()] == ["0", "90", "180"]
