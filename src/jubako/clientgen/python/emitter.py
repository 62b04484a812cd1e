"""A Python package for models: its files, the same each time for the same models."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.resources import files
from typing import Final

from jubako.clientgen.package import INTERFACE_FILE, Package
from jubako.clientgen.python.source import in_order, inside_brackets, listed, literal, natural, quoted, strings
from jubako.clientgen.python.views import ModelView, views
from jubako.clientgen.templates import environment_of

TEMPLATES: Final = files("jubako.clientgen.python") / "package"

_AS_THEY_ARE: Final = ("_async_model.py", "_drift.py", "_interface.py", "_tensors.py")
_FOR_IMAGES: Final = ("_images.py",)
"""What packages have besides if a model takes pictures."""

_WITHOUT_ASYNC: Final = (
    (r" for asyncio\b", ""),
    (r"\bAsync(?=[A-Z])", ""),
    (r"\b(async|await) ", ""),
)
"""What stands in ``_async_model.py``, as a pattern, and in its place in ``_model.py``."""


def python_files(package: Package) -> dict[str, str]:
    """The text of each file, by its path in the package's folder."""
    environment = environment_of(TEMPLATES)
    environment.globals |= {"quoted": quoted, "literal": literal, "strings": strings, "listed": listed}
    environment.globals |= {"looked_up": _looked_up, "given_inputs": _given_inputs}
    models = views(package.models)
    has_images = any(model.has_images for model in models)
    exported = _exported(models)
    context: dict[str, object] = {
        "models": models,
        "names": sorted({name for model in package.models for name in (model.name, *model.served_names)}),
        "exported": exported,
        "every_name": [name for names in exported.values() for name in names],
        "package": package,
        "has_images": has_images,
    }

    def made(template: str, **more: object) -> str:
        return environment.get_template(f"{template}.jinja").render(context, **more)

    source = f"src/{package.module}"
    found = {name: made(name) for name in ("pyproject.toml", "README.md")}
    found |= {f"{source}/{name}": made(name) for name in ("__init__.py", "models.py", "names.py")}
    as_they_are = _AS_THEY_ARE + _FOR_IMAGES * has_images
    found |= {f"{source}/{name}": (TEMPLATES / name).read_text(encoding="utf-8") for name in as_they_are}
    found[f"{source}/_model.py"] = _without_async(found[f"{source}/_async_model.py"])
    for model in models:
        template = "text_model.py" if model.signature is None else "tensor_model.py"
        found[f"{source}/{model.attribute}.py"] = made(template, model=model)
    return found | {f"{source}/py.typed": "", f"{source}/{INTERFACE_FILE}": package.interface_text}


def _given_inputs(model: ModelView, margin: int, prefix: str) -> str:
    """The arguments of a model, by the names of its tensors; pictures among them are read, for asyncio in a thread."""
    lines = [f"    {quoted(view.spec.name)}: {view.identifier}," for view in model.inputs]
    inputs = ["{", *lines, "}"] if lines else ["{}"]
    if model.has_images:
        reading = ["await asyncio.to_thread(", "    with_images,"] if prefix else ["with_images("]
        inputs = [*reading, "    self.interface,", *(f"    {line}" for line in inputs[:-1]), "    },", ")"]
    return f"\n{' ' * margin}".join(inputs)


def _looked_up(name: str) -> str:
    return f"INTERFACES[{inside_brackets(quoted(name), indent=4)}]"


def _exported(models: Sequence[ModelView]) -> dict[str, list[str]]:
    """What the package exports, by the modules that have it."""
    modules = {
        "_drift": ["DriftWarning", "Drifted", "OnDrift"],
        "models": ["AsyncModels", "Models", "connect", "connect_async"],
        "names": ["DIGESTS", "ModelName"],
    }
    modules |= {model.attribute: model.exported for model in models}
    return {module: in_order(modules[module]) for module in sorted(modules, key=natural)}


def _without_async(text: str) -> str:
    for pattern, instead in _WITHOUT_ASYNC:
        text = re.sub(pattern, instead, text)
    return re.sub(r"(?<=import \(\n)[^)]*|(?<=__all__ = \[\n)[^]]*", _in_order, text)


def _in_order(lines: re.Match[str]) -> str:
    """Names whose beginning has changed, each on a line of its own, in order again."""
    return "".join(f"{line}\n" for line in sorted(lines[0].splitlines()))
