"""The JSON Schema agrees with the validation, and what is committed is current."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from jubako.backends.declarations import BACKENDS
from jubako.errors import ConfigurationError
from jubako.paths import shipped
from jubako.repository.reference import reference_page
from jubako.repository.repository import read_repository
from jubako.repository.schema import model_schema
from tests.unit.repository.conftest import Write

ROOT = Path(__file__).parents[3]
VALIDATOR = jsonschema.Draft202012Validator(model_schema(BACKENDS))


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(model_schema(BACKENDS))


def test_the_shipped_entries_fit_it() -> None:
    for file in shipped("model_repository").glob("*/model.yaml"):
        VALIDATOR.validate(yaml.safe_load(file.read_text()))


@pytest.mark.parametrize(
    "fields",
    [
        {"backend": "nope"},
        {"backend": "echo", "x": 1},
        {"backend": "echo", "instances": "2"},
        {"backend": "echo", "limits": {"timeout_s": 0}},
        {"backend": "echo", "sampling": {"top_p": 2}},
        {"backend": "echo", "sampling": {"top": 2}},
        {"backend": "echo", "engine": {"n_ctx": 64}},
        {"backend": "llama_cpp", "engine": {"slots": 64}},
        {"backend": "llama_cpp", "engine": {"flash_attn": "yes"}},
        {"backend": "echo", "tasks": ["speech"]},
        {},
    ],
)
def test_what_the_server_refuses_editors_mark(fields: dict[str, Any], write: Write) -> None:
    assert not VALIDATOR.is_valid(fields)
    assert read_repository(write({"m/model.yaml": json.dumps(fields), "m/1/w.gguf": ""}), BACKENDS).broken


def test_one_backend_alone() -> None:
    schema = model_schema(BACKENDS, "echo")
    assert schema["properties"]["backend"]["enum"] == ["echo"]
    assert "engine_llama_cpp" not in schema["$defs"]
    with pytest.raises(ConfigurationError, match=r"There is no backend 'ecko'\. Did you mean `echo`\?"):
        model_schema(BACKENDS, "ecko")


def test_every_field_is_described() -> None:
    def described(schema: dict[str, Any]) -> bool:
        return "description" in schema or any("description" in option for option in schema.get("anyOf", []))

    schema = model_schema(BACKENDS)
    tables = [schema, schema["properties"]["sampling"], *schema["$defs"].values()]
    assert [name for table in tables for name, field in table["properties"].items() if not described(field)] == []


def test_the_committed_schema_is_current() -> None:
    committed = json.loads((ROOT / "model_repository" / "model.schema.json").read_text())
    assert committed == model_schema(BACKENDS), "run: jubako schema --out model_repository/model.schema.json"


def test_the_committed_reference_is_current() -> None:
    committed = (ROOT / "docs" / "reference" / "model.yaml.md").read_text()
    assert committed == reference_page(BACKENDS), "run: jubako schema --reference --out docs/reference/model.yaml.md"


@pytest.mark.parametrize("versions", ["all", "latest", [1, 3], {"latest": 2}, {"all": True}])
def test_every_form_of_versions_fits(versions: object) -> None:
    VALIDATOR.validate({"backend": "onnx", "versions": versions})


@pytest.mark.parametrize("versions", ["newest", [0], [], {"lates": 1}])
def test_no_other_form_of_versions_fits(versions: object) -> None:
    assert not VALIDATOR.is_valid({"backend": "onnx", "versions": versions})
