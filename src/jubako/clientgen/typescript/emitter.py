"""A TypeScript package for models: its files, the same each time for the same models."""

from __future__ import annotations

from importlib.resources import files
from typing import Final

from jubako.clientgen.package import INTERFACE_FILE, Package
from jubako.clientgen.templates import environment_of
from jubako.clientgen.typescript.source import comment, names, signature, union
from jubako.clientgen.typescript.views import ModelView, views

TEMPLATES: Final = files("jubako.clientgen.typescript") / "package"

_AS_THEY_ARE: Final = ("tsconfig.json", "src/model.ts")
_FOR_PIXELS: Final = ("src/images.ts",)
"""What packages have besides if a model takes the pixels of pictures."""
_MADE: Final = ("package.json", "README.md", "src/index.ts", "src/models.ts")


def typescript_files(package: Package) -> dict[str, str]:
    """The text of each file, by its path in the package's folder."""
    environment = environment_of(TEMPLATES)
    environment.globals |= {"comment": comment, "names": names, "signature": signature, "union": union}
    models = views(package.models)
    has_pixels = any(model.has_pixels for model in models)
    context: dict[str, object] = {
        "models": models,
        "package": package,
        "every_name": sorted({name for model in package.models for name in (model.name, *model.served_names)}),
        "imports": _imports(models),
        "own_imports": _own_imports(models),
        "image_imports": _in_order({"Pixels"}, {"withImages"}) if has_pixels else [],
        "has_pixels": has_pixels,
    }
    found = {name: (TEMPLATES / name).read_text(encoding="utf-8") for name in _AS_THEY_ARE + _FOR_PIXELS * has_pixels}
    found |= {name: environment.get_template(f"{name}.jinja").render(context) for name in _MADE}
    return found | {INTERFACE_FILE: package.interface_text}


def _imports(models: list[ModelView]) -> list[str]:
    types = {"Client", *(name for model in models for name in model.imports)}
    return _in_order(types, values={"ClientError"})


def _own_imports(models: list[ModelView]) -> list[str]:
    types, values = {"Interface", "Which"}, {"changes", "Model", "versionName"}
    if any(model.signature for model in models):
        types.add("TensorOptions")
        values |= {"tensorInputs", "tensorOutputs"}
    if any(model.inputs for model in models):
        types.add("TensorData")
    return _in_order(types, values)


def _in_order(types: set[str], values: set[str]) -> list[str]:
    """What is imported, types among values, in the order in which linters want it."""
    ordered = sorted(types | values, key=lambda name: [(letter.lower(), letter) for letter in name])
    return [f"type {name}" if name in types else name for name in ordered]
