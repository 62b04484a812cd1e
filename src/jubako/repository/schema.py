"""The JSON Schema of model.yaml, from which editors complete and check it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import Any

import msgspec
from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from jubako.errors import ConfigurationError
from jubako.repository.config import ModelConfig
from jubako.repository.declaration import BackendDeclaration
from jubako.repository.problem import nearest

Schema = dict[str, Any]


def model_schema(backends: Mapping[str, BackendDeclaration], only: str | None = None) -> Schema:
    """The schema of model.yaml, with `engine` and `tasks` as the entry's `backend` has them.

    Args:
        only: The one backend to describe. Default: all of them.

    Raises:
        ConfigurationError: there is no backend `only`.
    """
    if only is not None and only not in backends:
        raise ConfigurationError(f"There is no backend {only!r}. {nearest(only, backends)}")
    described = [backends[only]] if only else list(backends.values())
    schema = schema_of(ModelConfig)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "model.yaml of jubako"
    schema["properties"]["backend"] |= {"enum": [backend.name for backend in described]}
    schema["properties"]["versions"] |= _versions(schema["properties"]["versions"].pop("$ref"))
    for backend in described:
        params = schema_of(backend.params)
        schema["$defs"] |= params.pop("$defs", {})
        schema["$defs"][f"engine_{backend.name}"] = params
    schema["allOf"] = [_where(backend) for backend in described]
    return schema


def schema_of(kind: type) -> Schema:
    """The schema of one configuration dataclass, fields described by their docstrings, without titles made up from names."""
    schema = TypeAdapter(kind).json_schema(schema_generator=_Generator)
    schema.setdefault("$defs", {})
    _describe_inherited(schema, kind)
    untitled: Schema = _untitled(schema)
    if not untitled["$defs"]:
        del untitled["$defs"]
    return untitled


def _describe_inherited(schema: Schema, kind: type) -> None:
    """The docstrings of the fields that `kind` has from its bases: pydantic reads only those of the class itself."""
    for base in kind.__mro__[1:]:
        if is_dataclass(base):
            for name, described in schema_of(base)["properties"].items():
                if "description" in described:
                    schema["properties"][name].setdefault("description", described["description"])


def _versions(mapping: str) -> Schema:
    """The forms of ``versions``: :func:`jubako.repository.version_policy.spelled_out` knows the short ones."""
    numbers = {"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 1}
    return {"anyOf": [{"$ref": mapping}, {"enum": ["all", "latest"]}, numbers]}


def _where(backend: BackendDeclaration) -> Schema:
    return {
        "if": {"properties": {"backend": {"const": backend.name}}, "required": ["backend"]},
        "then": {
            "properties": {
                "engine": {"$ref": f"#/$defs/engine_{backend.name}"},
                "tasks": {"items": {"enum": list(backend.tasks)}},
            }
        },
    }


class _Generator(GenerateJsonSchema):
    """pydantic's, which does not know msgspec's structs."""

    def is_instance_schema(self, schema: core_schema.IsInstanceSchema) -> JsonSchemaValue:
        struct = schema["cls"]
        if not (isinstance(struct, type) and issubclass(struct, msgspec.Struct)):
            return super().is_instance_schema(schema)
        _, components = msgspec.json.schema_components([struct])
        described: JsonSchemaValue = components[struct.__name__]
        return described

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        if schema["schema"]["type"] == "is-instance":  # its default is no JSON
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)


def _untitled(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_untitled(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: _unwrapped(value) if name == "description" else _untitled(value)
        for name, value in schema.items()
        if not (name == "title" and isinstance(value, str))
    }


def _unwrapped(text: Any) -> Any:
    """A docstring as one line, with the marks of Markdown, which editors show."""
    return " ".join(text.replace("``", "`").split()) if isinstance(text, str) else _untitled(text)
