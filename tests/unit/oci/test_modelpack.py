"""What kind of layer a file becomes."""

from __future__ import annotations

import pytest

from jubako.oci.modelpack import CODE, DOCUMENT, WEIGHT, WEIGHT_CONFIG, format_of, media_type_of


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("1/model.gguf", WEIGHT),
        ("1/model.onnx.data", WEIGHT),
        ("1/pytorch_model.bin", WEIGHT),
        ("1/weights", WEIGHT),
        ("1/config.json", WEIGHT_CONFIG),
        ("1/tokenizer.model", WEIGHT_CONFIG),
        ("model.yaml", WEIGHT_CONFIG),
        ("config.pbtxt", WEIGHT_CONFIG),
        ("README.md", DOCUMENT),
        ("LICENSE", DOCUMENT),
        ("1/License.txt", DOCUMENT),
        ("1/model.py", CODE),
    ],
)
def test_the_type_of_a_file(path: str, media_type: str) -> None:
    assert media_type_of(path) == media_type


def test_the_format_of_a_model() -> None:
    assert format_of(["model.yaml", "1/a.safetensors"]) == "safetensors"
    assert format_of(["model.yaml"]) == ""
