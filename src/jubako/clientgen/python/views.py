"""What the templates of a Python package show: models with the names and types that they have in Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from textwrap import indent
from typing import Final

from jubako.clientgen.identifiers import camel, class_names, identifiers, unused
from jubako.clientgen.python.source import call, in_order, natural, prose
from jubako.messages import Task
from jubako.routing.interface import ModelInterface
from jubako.tensors import Signature, TensorSpec

_KINDS: Final[Mapping[str, str]] = {
    "BOOL": "np.bool_",
    "UINT8": "np.uint8",
    "UINT16": "np.uint16",
    "UINT32": "np.uint32",
    "UINT64": "np.uint64",
    "INT8": "np.int8",
    "INT16": "np.int16",
    "INT32": "np.int32",
    "INT64": "np.int64",
    "FP16": "np.float16",
    "BF16": "np.float32",
    "FP32": "np.float32",
    "FP64": "np.float64",
    "BYTES": "np.object_",
}
"""By datatype: the scalar type of numpy's arrays."""

_TASK_BASES: Final[Mapping[Task, str]] = {
    "chat": "ChatModel",
    "completion": "CompletionModel",
    "embedding": "EmbeddingModel",
    "score": "ScoreModel",
    "classify": "ClassifyModel",
    "infer": "TensorModel",
}

_MODULES: Final = ("connect", "connect_async", "models", "names")
_IMPORTED: Final = (
    *("AnyImage", "AnyImages"),
    *("Answer", "AnyTexts", "AsyncClient", "AsyncIterator", "Bools", "CallOptions", "Client", "Final", "Floats", "Ints"),
    *("Iterator", "Literal", "TypeAlias", "Unpack"),
)
_CLASSES: Final = (
    *_IMPORTED,
    "Models",
    "AsyncModels",
    "DriftWarning",
    "Drifted",
    "OnDrift",
    "ModelName",
    "TensorModel",
    *_TASK_BASES.values(),
)
_AROUND: Final = (("Async", ""), ("", "Outputs"), ("", "Version"), ("", "Alias"))
_ATTRIBUTES: Final = ("client", "drift")
_ARGUMENTS: Final = (
    *("self", "options", "parameters", "timeout_s", "retries", "request_id", "traceparent", "found", "asyncio", "with_images"),
)
_FIELDS: Final = ("np", "npt")
_PICTURE: Final = "May be an image of Pillow, the path of a picture's file, or what is in such a file."
_PICTURES: Final = "May be a list of images of Pillow, of paths of pictures' files, or of what is in such files."
MOST_LITERALS: Final = 1000
"""More labels are a tuple of strings: a type of so many would hold up who checks types."""


@dataclass(frozen=True)
class TensorView:
    """An input or output.

    Attributes:
        identifier: Its argument or field.
        label_type: The name of the type of its labels, and `label_constant` that of the labels; empty where it has none.
    """

    spec: TensorSpec
    identifier: str
    batched: bool
    label_type: str = ""
    label_constant: str = ""

    @property
    def kind(self) -> str:
        return _KINDS[self.spec.datatype]

    @property
    def has_label_type(self) -> bool:
        return len(self.spec.labels) <= MOST_LITERALS

    @property
    def distinct_labels(self) -> list[str]:
        return list(dict.fromkeys(self.spec.labels))

    @property
    def argument_type(self) -> str:
        accepted = [*self.image_types, *self.list_types]
        if self.spec.datatype != "BYTES" or self.is_image:
            accepted.insert(0, f"npt.NDArray[{self.kind}]")
        return " | ".join([*accepted, "None = None"] if self.spec.optional else accepted)

    @property
    def is_image(self) -> bool:
        return self.spec.content == "image"

    @property
    def image_depth(self) -> int:
        """In how many lists a picture is; a last dimension of 1 needs none."""
        of_files = len(self.spec.shape) - (self.spec.shape[-1:] == [1]) if self.spec.datatype == "BYTES" else 0
        return self.batched + of_files

    @property
    def image_types(self) -> list[str]:
        """The types of pictures that it takes, in the package's module of images."""
        if not self.is_image:
            return []
        lists = self.image_depth > 0 or self.spec.datatype == "BYTES"
        return ["AnyImage"] * (self.image_depth == 0) + ["AnyImages"] * lists

    @property
    def list_types(self) -> list[str]:
        """The type of lists that it takes, in the package's module of tensors; of files of pictures the other module has it."""
        if self.spec.datatype == "BYTES" and self.is_image:
            return []
        return [self._list_type]

    @property
    def _list_type(self) -> str:
        if self.spec.datatype in ("BOOL", "BYTES"):
            return "Bools" if self.spec.datatype == "BOOL" else "AnyTexts"
        return "Ints" if "INT" in self.spec.datatype else "Floats"

    def documentation(self, margin: int) -> str:
        """A line, or more, of the docstring in which it is an argument or an attribute."""
        dimensions = ["any" if size == -1 else str(size) for size in self.spec.shape]
        shape = ", ".join(["batch", *dimensions] if self.batched else dimensions)
        text = f"{self.spec.datatype} of shape [{shape}]. {self.spec.description}"
        if self.identifier != self.spec.name:
            text = f"The tensor {self.spec.name!r}, {text}"
        if self.label_constant:
            text += f" {self.label_constant} names its classes."
        if self.is_image:
            text += f" {_PICTURES if self.image_depth else _PICTURE}"
        beginning = f"{self.identifier}: "
        return beginning + prose(text, margin + 4, first=margin + len(beginning))

    @property
    def example(self) -> str:
        """What the model takes: an array, or where it wants pictures their files."""
        if self.is_image:
            return "[" * self.image_depth + '"picture.png"' + "]" * self.image_depth
        shape = [1 if size == -1 else size for size in ([1, *self.spec.shape] if self.batched else self.spec.shape)]
        shown = f"({shape[0]},)" if len(shape) == 1 else f"({', '.join(map(str, shape))})"
        if self.spec.datatype == "BYTES":
            return f'np.full({shown}, "text")'
        return f"np.zeros({shown}, {self.kind})"


@dataclass(frozen=True)
class ModelView:
    """A model.

    Attributes:
        attribute: The name of its module, and of its attribute in ``Models``.
        class_name: That of the class without asyncio.
    """

    interface: ModelInterface
    attribute: str
    class_name: str

    @property
    def name(self) -> str:
        return self.interface.name

    @property
    def signature(self) -> Signature | None:
        return self.interface.signature

    @property
    def bases(self) -> list[str]:
        """The classes that it is made of, without asyncio."""
        return [_TASK_BASES[task] for task in self.tasks]

    @property
    def tasks(self) -> list[Task]:
        return [task for task in _TASK_BASES if task in self.interface.tasks]

    @property
    def batched(self) -> bool:
        return self.signature is not None and self.signature.max_batch_size > 0

    @property
    def decoupled(self) -> bool:
        return self.signature is not None and self.signature.decoupled

    @property
    def has_images(self) -> bool:
        return any(view.is_image for view in self.inputs)

    @property
    def exported(self) -> list[str]:
        names = [self.class_name, f"Async{self.class_name}", f"{self.class_name}Version"]
        if self.signature is not None:
            names.append(f"{self.class_name}Outputs")
        if self.interface.aliases:
            names.append(f"{self.class_name}Alias")
        return in_order(names)

    @property
    def classes(self) -> list[str]:
        return in_order([self.class_name, f"Async{self.class_name}"])

    @cached_property
    def inputs(self) -> list[TensorView]:
        """The required ones first, in the order in which the model names them."""
        specs = self.signature.inputs if self.signature else []
        named = identifiers([spec.name for spec in specs], "input", _ARGUMENTS)
        views = [TensorView(spec, named[spec.name], self.batched) for spec in specs]
        return sorted(views, key=lambda view: view.spec.optional)

    @cached_property
    def outputs(self) -> list[TensorView]:
        specs = self.signature.outputs if self.signature else []
        named = identifiers([spec.name for spec in specs], "output", _FIELDS)
        taken = set(self.exported)
        views = []
        for spec in specs:
            field = named[spec.name]
            label_type = unused(f"{camel(field, 'Output')}Label", taken) if spec.labels else ""
            constant = unused(f"{field.upper().rstrip('_')}_LABELS", taken) if spec.labels else ""
            taken |= {label_type, constant}
            views.append(TensorView(spec, field, self.batched, label_type, constant))
        return views

    @property
    def labelled(self) -> list[TensorView]:
        """The outputs that have labels."""
        return [output for output in self.outputs if output.spec.labels]

    @property
    def module_names(self) -> list[str]:
        """What its module exports."""
        types = [output.label_type for output in self.labelled if output.has_label_type]
        return [*self.exported, *types, *(output.label_constant for output in self.labelled)]

    def example(self, package: str) -> str:
        """How to ask it, for the README of `package`."""
        methods: Mapping[Task, str] = {
            "chat": f'print(models.{self.attribute}.chat("Say hello.", max_tokens=20).text)',
            "completion": f'print(models.{self.attribute}.complete("Once upon a time", max_tokens=20).text)',
            "embedding": f'print(models.{self.attribute}.embed(["a text", "another"]).shape)',
            "score": f'print(models.{self.attribute}.rerank("What keeps food warm?", ["A thermos", "A fridge"])[0].index)',
            "classify": f'print(models.{self.attribute}.classify(["a text"])[0].label)',
        }
        lines = [methods[task] for task in self.tasks if task in methods]
        if self.signature is None:
            return "\n".join(lines)
        given = [f"{view.identifier}={view.example}" for view in self.inputs if not view.spec.optional]
        asked = call(f"models.{self.attribute}.infer", given)
        if self.labelled:
            output = self.labelled[0]
            label = f"{output.label_constant}[outputs.{output.identifier}.argmax()]"
            lines.append(f"from {package}.{self.attribute} import {output.label_constant}")
            shown = f"print({label})"
        else:
            shown = call("print", [f"outputs.{view.identifier}" for view in self.outputs])
        asking = [f"for outputs in {asked}:", indent(shown, "    ")] if self.decoupled else [f"outputs = {asked}", shown]
        imports = ["import numpy as np"] if any("np." in each for each in given) else []
        return "\n".join([*imports, *lines, *[""] * bool(imports or lines), *asking])

    @property
    def list_types(self) -> list[str]:
        """Those that its module imports."""
        return sorted({name for view in self.inputs for name in view.list_types})

    @property
    def image_types(self) -> list[str]:
        return sorted({name for view in self.inputs for name in view.image_types})

    def documentation(self, margin: int) -> str:
        return prose(self.interface.description or f"The model {self.name}.", margin, first=margin + 3)


def views(models: Sequence[ModelInterface]) -> list[ModelView]:
    """The models, by the names of their modules."""
    names = [model.name for model in models]
    attributes = identifiers(names, "model", {*_MODULES, *_ATTRIBUTES})
    classes = class_names(names, _AROUND, _CLASSES)
    found = [ModelView(model, attributes[model.name], classes[model.name]) for model in models]
    return sorted(found, key=lambda view: natural(view.attribute))
