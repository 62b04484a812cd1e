"""One object of the user's class, and how it is called with tensors."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from jubako.backends.base import ModelSpec
from jubako.backends.python.calls import Models
from jubako.backends.python.context import ModelContext
from jubako.backends.python.interface import Interface, complete_signature, read_interface
from jubako.backends.python.params import PythonParams
from jubako.backends.python.requirements import check_requirements
from jubako.backends.python.source import find_class, import_file
from jubako.backends.python.values import to_argument, to_arrays
from jubako.errors import ConfigurationError
from jubako.messages import Parameter
from jubako.tensors import Arrays


class UserModel:
    """The user's object and its interface.

    Attributes:
        signature: What the entry and the code say together.
        joined: Whether ``infer`` takes and gives arrays with the batch dimension.
        by_row: Whether it is called for each row instead.
        has_context: Whether it was given its context, by which it can ask other models.
    """

    def __init__(self, instance: object, spec: ModelSpec, *, batched: bool, has_context: bool) -> None:
        self.instance = instance
        self.has_context = has_context
        self.joined = bool(spec.max_batch_size) and batched
        self.by_row = bool(spec.max_batch_size) and not batched
        self.infer: Callable[..., object] = instance.infer  # type: ignore[attr-defined]  # seen when the class was found
        self.interface = interface = read_interface(self.infer)
        _check_texts(interface, joined=self.joined)
        if self.by_row and interface.decoupled:
            raise ConfigurationError(
                "A generator can't be called for each row of a batch. Write `batched: true`, or `max_batch_size: 0`."
            )
        self.signature = complete_signature(interface, spec, joined=self.joined)
        self._by_tensor = {each.tensor: each for each in interface.inputs}

    @staticmethod
    def load(spec: ModelSpec, models: Models) -> UserModel:
        """Import the file and make the object. Blocks.

        Raises:
            ConfigurationError: the file, the class or the entry is wrong.
        """
        params = msgspec.convert(spec.params, PythonParams)
        folder = version_folder(spec)
        check_requirements(spec.model, folder, params.requirements)
        model_class = find_class(import_file(folder / params.file), params.class_name)
        has_context = _takes_context(model_class)
        instance = model_class(_context(spec, folder, params, models)) if has_context else model_class()
        return UserModel(instance, spec, batched=params.batched, has_context=has_context)

    def call(self, inputs: Arrays, parameters: Mapping[str, Parameter]) -> object:
        """What ``infer`` returns: of async code an awaitable, of a generator its iterator."""
        return self.infer(**self.arguments(inputs, parameters))

    def arguments(self, inputs: Arrays, parameters: Mapping[str, Parameter]) -> dict[str, object]:
        arguments: dict[str, object] = {}
        for name, array in inputs.items():
            if (described := self._by_tensor.get(name)) is not None:
                arguments[described.argument] = to_argument(array, described.text)
            else:
                arguments[name] = array
        if self.interface.parameters is not None:
            arguments[self.interface.parameters] = parameters
        return arguments

    def outputs(self, answer: object) -> Arrays:
        """What ``infer`` returned, or yielded, as arrays."""
        return to_arrays(answer, self.signature.outputs, joined=self.joined)

    def hook(self, name: str) -> Callable[..., object] | None:
        """An optional method of the user's class: ``load``, ``warmup``, ``close`` or ``cost``."""
        hook: Callable[..., object] | None = getattr(self.instance, name, None)
        return hook if callable(hook) else None


def version_folder(spec: ModelSpec) -> Path:
    return Path(spec.folder) / str(spec.version)


def _context(spec: ModelSpec, folder: Path, params: PythonParams, models: Models) -> ModelContext:
    weights = Path(spec.weights) if spec.weights is not None else None
    return ModelContext(
        name=spec.model,
        version=spec.version,
        folder=folder,
        # Without a source the runner gives what lies in the version folder, which is the code.
        weights=None if weights in (folder, folder / params.file) else weights,
        parameters=spec.parameters,
        max_batch_size=spec.max_batch_size or 0,
        device_index=spec.device_index,
        models=models,
    )


def _takes_context(model_class: type) -> bool:
    # A class without an __init__ has that of object, which takes nothing.
    return "__init__" in {name for each in model_class.__mro__[:-1] for name in vars(each)} and bool(
        inspect.signature(model_class).parameters
    )


def _check_texts(interface: Interface, *, joined: bool) -> None:
    for described in (*interface.inputs, *interface.outputs):
        if described.text == "one" and joined:
            raise ConfigurationError(
                f"{described.argument!r} of infer is one str, but infer gets the rows of a batch together: write list[str], "
                "which has one for each row, or `batched: false` under `engine`."
            )
