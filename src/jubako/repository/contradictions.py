"""What the fields of a model.yaml say against each other, each of them being right by itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TypeAlias

from jubako.model_names import WHAT_AN_ALIAS_IS, is_alias
from jubako.repository.config import BatchingConfig, ModelConfig, TensorConfig, WarmupConfig
from jubako.repository.problem import FieldPath
from jubako.tensors import holds_images

Contradiction: TypeAlias = tuple[FieldPath, str]
"""Where it is, and how the sentence goes on that begins with the field's name."""

TENSOR_FIELDS = ("inputs", "outputs", "max_batch_size", "batching", "decoupled", "warmup")
"""The fields of :class:`ModelConfig` that mean something for tensor models only."""

BATCHING_FIELDS = ("max_batch_size", "batching")
"""Those of them that mean something for models of text, too, whose backend says that it batches."""


def contradictions(config: ModelConfig) -> list[Contradiction]:
    """All of them, in the order of the fields."""
    return [
        *_versions(config),
        *_aliases(config),
        *_names(("inputs",), config.inputs),
        *_names(("outputs",), config.outputs),
        *_input_labels(config.inputs),
        *_images(config.inputs),
        *_output_content(config.outputs),
        *_batching(config.batching, config.max_batch_size),
        *_cost(config),
        *_length_buckets(config),
        *_warmup(config),
    ]


def _versions(config: ModelConfig) -> Iterator[Contradiction]:
    policy = config.versions
    said = [
        name
        for name, is_said in (("latest", policy.latest), ("all", policy.all), ("specific", policy.specific))
        if is_said not in (None, False)
    ]
    if len(said) > 1:
        yield ("versions",), f"must say one of latest, all and specific; it says {' and '.join(said)}"
    for number in _twice(policy.specific or []):
        yield ("versions", "specific"), f"names version {number} twice"


def _aliases(config: ModelConfig) -> Iterator[Contradiction]:
    for alias in config.aliases:
        if not is_alias(alias):
            yield ("aliases", alias), f"can't be: {WHAT_AN_ALIAS_IS}"


def _names(path: FieldPath, tensors: list[TensorConfig]) -> Iterator[Contradiction]:
    seen: dict[str, int] = {}
    for index, tensor in enumerate(tensors):
        if tensor.name in seen:
            yield (*path, index, "name"), f"is {tensor.name!r}, which is the name of `{path[0]}[{seen[tensor.name]}]` too"
        seen.setdefault(tensor.name, index)


def _input_labels(inputs: list[TensorConfig]) -> Iterator[Contradiction]:
    for index, tensor in enumerate(inputs):
        if tensor.labels:
            yield ("inputs", index, "labels"), "is for outputs only: labels name the classes of a result"


def _images(inputs: list[TensorConfig]) -> Iterator[Contradiction]:
    for index, tensor in enumerate(inputs):
        if tensor.content == "image" and not holds_images(tensor.datatype, tensor.shape):
            yield (
                ("inputs", index, "content"),
                "is image, so the input must be UINT8 of the shape [height, width, channels] with 1, 3 or 4 channels, the batch "
                "dimension left out, or BYTES with an image file in each element; "
                f"it is {tensor.datatype} of the shape {tensor.shape}",
            )


def _output_content(outputs: list[TensorConfig]) -> Iterator[Contradiction]:
    for index, tensor in enumerate(outputs):
        if tensor.content:
            yield ("outputs", index, "content"), "is for inputs only: it says what clients may give"


def _batching(batching: BatchingConfig, max_batch_size: int | None) -> Iterator[Contradiction]:
    if max_batch_size is not None:
        for index, size in enumerate(batching.preferred_sizes):
            if size > max_batch_size:
                yield ("batching", "preferred_sizes", index), f"is {size}, but no batch has more than {max_batch_size} rows"
    levels = batching.priority_levels
    if batching.default_priority > levels:
        yield ("batching", "default_priority"), _beyond(batching.default_priority, levels)
    for level in batching.queues:
        if not 1 <= level <= levels:
            yield ("batching", "queues", str(level)), _beyond(level, levels)


def _beyond(level: int, levels: int) -> str:
    there_are = f"the levels are 1 to {levels}" if levels else "there are no levels as long as `batching.priority_levels` is 0"
    return f"is about level {level}, but {there_are}"


def _cost(config: ModelConfig) -> Iterator[Contradiction]:
    names = [tensor.name for tensor in config.inputs]
    if names and config.batching.cost not in ("rows", "elements", "model", *names):
        what = f"is {config.batching.cost!r}, which is neither rows, elements nor model, nor one of the inputs {', '.join(names)}"
        yield ("batching", "cost"), what


def _length_buckets(config: ModelConfig) -> Iterator[Contradiction]:
    shapes = {tensor.name: tensor.shape for tensor in config.inputs}
    for name, lengths in config.batching.length_buckets.items():
        path: FieldPath = ("batching", "length_buckets", name)
        if shapes and name not in shapes:
            yield path, f"names no input; the inputs are {', '.join(shapes)}"
        elif name in shapes and shapes[name].count(-1) != 1:
            yield path, f"needs an input with exactly one -1 in its shape; the shape of {name!r} is {shapes[name]}"
        if not lengths:
            yield path, "must name at least one length"


def _warmup(config: ModelConfig) -> Iterator[Contradiction]:
    shapes = {tensor.name: tensor.shape for tensor in config.inputs}
    for index, warmup in enumerate(config.warmup):
        path: FieldPath = ("warmup", index)
        if config.max_batch_size is not None and warmup.batch_size > max(1, config.max_batch_size):
            yield (
                (*path, "batch_size"),
                f"is {warmup.batch_size}, but no batch has more than {max(1, config.max_batch_size)} rows",
            )
        if shapes:
            yield from _warmup_inputs(path, warmup, shapes)


def _warmup_inputs(path: FieldPath, warmup: WarmupConfig, shapes: dict[str, list[int]]) -> Iterator[Contradiction]:
    for field, names in (("shapes", warmup.shapes), ("data", warmup.data)):
        for name in names:
            if name not in shapes:
                yield (*path, field, name), f"names no input; the inputs are {', '.join(shapes)}"
    for name, given in warmup.shapes.items():
        declared = shapes.get(name, given)
        fits = len(given) == len(declared) and all(size in (-1, length) for size, length in zip(declared, given, strict=True))
        if not fits:
            yield (*path, "shapes", name), f"is {given}, which does not fit the input's shape {declared}"


def _twice(numbers: list[int]) -> list[int]:
    return [number for number, count in Counter(numbers).items() if count > 1]
