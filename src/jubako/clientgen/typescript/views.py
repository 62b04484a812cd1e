"""What the templates of a TypeScript package show: models with the names and types that they have in TypeScript."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from jubako.clientgen.identifiers import camel, class_names, unused
from jubako.clientgen.typescript.source import Value, comment, key, shown
from jubako.messages import Task
from jubako.routing.interface import ModelInterface
from jubako.tensors import Signature, TensorSpec

_AROUND: Final = (("", "Inputs"), ("", "Outputs"), ("", "Version"), ("", "Alias"))
_IMPORTS: Final[Mapping[Task, tuple[str, ...]]] = {
    "chat": ("ChatAnswer", "ChatDelta", "ChatOptions", "Conversation", "Stream"),
    "completion": ("CompletionAnswer", "CompletionDelta", "CompletionOptions", "Prompts", "Stream"),
    "embedding": ("EmbedOptions", "Prompts"),
    "score": ("CallOptions", "RankedDocument", "RerankOptions"),
    "classify": ("CallOptions", "Classification", "Prompts"),
    "infer": ("Tensor",),
}
"""What the methods of each task take and give, from the client."""

_CLASSES: Final = frozenset(
    (
        *(name for names in _IMPORTS.values() for name in names),
        *("Array", "AsyncGenerator", "Error", "Map", "Object", "Promise"),
        *("Client", "ClientError", "Drifted", "Interface", "Model", "ModelName", "Models", "OnDrift", "Pixels", "TensorData"),
        *("TensorOptions", "TensorType", "Which"),
    )
)
_PICTURE: Final = 'readFileSync("picture.png")'
_ATTRIBUTES: Final = ("client", "constructor", "drift")
_TASKS: Final[tuple[Task, ...]] = ("chat", "completion", "embedding", "score", "classify", "infer")


@dataclass(frozen=True)
class ModelView:
    """A model. `attribute` is its property of ``Models``."""

    interface: ModelInterface
    class_name: str
    attribute: str

    @property
    def name(self) -> str:
        return self.interface.name

    @property
    def signature(self) -> Signature | None:
        return self.interface.signature

    @property
    def batched(self) -> bool:
        return self.signature is not None and self.signature.max_batch_size > 0

    @property
    def decoupled(self) -> bool:
        return self.signature is not None and self.signature.decoupled

    @property
    def tasks(self) -> list[Task]:
        return [task for task in _TASKS if task in self.interface.tasks]

    @property
    def imports(self) -> set[str]:
        return {name for task in self.tasks for name in _IMPORTS[task]}

    @property
    def versions(self) -> str:
        """The type of what names one of its versions."""
        alias = f"{self.class_name}Alias" if self.interface.aliases else "never"
        return f"Which<{self.class_name}Version, {alias}>"

    @property
    def literal(self) -> str:
        """Its interface, as the package's code has it."""
        value: dict[str, Value] = {"name": self.name, "digest": self.interface.digest, "tasks": list(self.tasks)}
        if self.signature is not None:
            value["inputs"] = {spec.name: _type(spec) for spec in self.signature.inputs}
            value["outputs"] = {spec.name: _type(spec) for spec in self.signature.outputs}
            value["batched"] = self.batched
            value["decoupled"] = self.decoupled
        return shown(value, margin=2, used=0)

    @property
    def inputs(self) -> list[str]:
        """A property for each input, with its documentation."""
        return [self._property(spec, self._given(spec)) for spec in self.signature.inputs] if self.signature else []

    @property
    def outputs(self) -> list[str]:
        return [self._property(spec, f'Tensor<"{spec.datatype}">') for spec in self.signature.outputs] if self.signature else []

    @property
    def has_pixels(self) -> bool:
        """Whether it takes pictures as their pixels."""
        return self.signature is not None and any(map(_is_pixels, self.signature.inputs))

    @property
    def documentation(self) -> str:
        return comment(self.interface.description or f"The model {self.name}.")

    @property
    def example(self) -> str:
        """How to ask it, for the README."""
        asked = f"models.{self.attribute}"
        methods: Mapping[Task, str] = {
            "chat": f'console.log((await {asked}.chat("Say hello.", {{ maxTokens: 20 }})).text);',
            "completion": f'console.log((await {asked}.complete("Once upon a time", {{ maxTokens: 20 }})).text);',
            "embedding": f'console.log((await {asked}.embed(["a text", "another"])).length);',
            "score": f'console.log(await {asked}.rerank("What keeps food warm?", ["A thermos", "A fridge"]));',
            "classify": f'console.log(await {asked}.classify(["a text"]));',
        }
        lines = [methods[task] for task in self.tasks if task in methods]
        if self.signature is None:
            return "\n".join(lines)
        given = [f"  {key(spec.name)}: {self._example(spec)}," for spec in self.signature.inputs if not spec.optional]
        inputs = "\n".join(["{", *given, "}"]) if given else "{}"
        if _PICTURE in inputs:
            lines.insert(0, 'import { readFileSync } from "node:fs";\n')
        if self.decoupled:
            return "\n".join([*lines, f"for await (const outputs of {asked}.infer({inputs})) {{", "  console.log(outputs);", "}"])
        return "\n".join([*lines, f"const outputs = await {asked}.infer({inputs});", "console.log(outputs);"])

    def _example(self, spec: TensorSpec) -> str:
        shape = [1 if size == -1 else size for size in ([1, *spec.shape] if self.batched else spec.shape)]
        if not _is_pixels(spec):
            return f"{{ shape: {shape}, data: {_elements(spec, shape)} }}"
        height, width, _ = shape[-3:]
        picture = f"{{ width: {width}, height: {height}, data: new Uint8ClampedArray({4 * width * height}) }}"
        return f"[{picture}]" if self.batched else picture

    def _given(self, spec: TensorSpec) -> str:
        """The type of what is given for an input."""
        pictures = f" | {'readonly Pixels[]' if self.batched else 'Pixels'}" if _is_pixels(spec) else ""
        return f'TensorData<"{spec.datatype}">{pictures}'

    def _property(self, spec: TensorSpec, kind: str) -> str:
        dimensions = ["any" if size == -1 else str(size) for size in spec.shape]
        shape = ", ".join(["batch", *dimensions] if self.batched else dimensions)
        files = "Each element is an image file, such as a PNG." if spec.content and not _is_pixels(spec) else ""
        said = comment(f"{spec.datatype} of shape [{shape}]. {spec.description} {files}", margin=2)
        question, absent = ("?", " | undefined") if spec.optional else ("", "")
        return f"{said}\n  readonly {key(spec.name)}{question}: {kind}{absent};"


def views(models: Sequence[ModelInterface]) -> list[ModelView]:
    """The models, by name."""
    classes = class_names([model.name for model in models], _AROUND, _CLASSES)
    taken = set(_ATTRIBUTES)
    found = []
    for model in sorted(models, key=lambda model: model.name):
        words = camel(model.name, "Model")
        attribute = unused(words[0].lower() + words[1:], taken)
        taken.add(attribute)
        found.append(ModelView(model, classes[model.name], attribute))
    return found


def _type(spec: TensorSpec) -> dict[str, Value]:
    value: dict[str, Value] = {"datatype": spec.datatype, "shape": spec.shape}
    if spec.optional:
        value["optional"] = True
    if spec.labels:
        value["labels"] = spec.labels
    if spec.content:
        value["content"] = spec.content
    return value


def _is_pixels(spec: TensorSpec) -> bool:
    """Whether it is a picture, or pictures, and not the files of pictures."""
    return spec.content == "image" and spec.datatype == "UINT8"


def _elements(spec: TensorSpec, shape: list[int]) -> str:
    count = 1
    for size in shape:
        count *= size
    zero = {"BOOL": "false", "INT64": "0n", "UINT64": "0n", "BYTES": '"text"'}.get(spec.datatype, "0")
    if spec.content:
        zero = _PICTURE
    return f"[{zero}]" if count == 1 else f"Array({count}).fill({zero})"
