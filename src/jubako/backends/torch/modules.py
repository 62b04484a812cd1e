"""Weights with the code that builds their module, and whole modules out of a pickle."""

from __future__ import annotations

import importlib
import inspect
import pickle
import sys
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from jubako.backends.base import ModelSpec
from jubako.backends.tensor.completion import declared
from jubako.backends.tensor.files import version_folder
from jubako.backends.torch.arguments import Arguments
from jubako.backends.torch.formats import Format
from jubako.backends.torch.params import TorchParams
from jubako.backends.torch.program import PLATFORM, Program
from jubako.errors import ConfigurationError


def load_module(file: Path, form: Format, spec: ModelSpec, params: TorchParams, device: torch.device) -> Program:
    """
    Raises:
        ConfigurationError: code and weights do not fit, or the entry does not say what they leave open.
    """
    module = _module(file, form, spec, params).eval().to(device)
    if params.dtype:
        module.to(getattr(torch, params.dtype))
    names = [
        name
        for name, parameter in inspect.signature(module.forward).parameters.items()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    ]
    why = f"A module does not say datatypes and shapes. The arguments of {type(module).__name__} are: {', '.join(names)}."
    signature = declared(spec, PLATFORM, why)
    arguments = Arguments.of(signature.inputs, names)
    computing = torch.compile(module, dynamic=True) if params.compile else module
    return Program(signature=signature, call=lambda tensors: arguments.call(computing, tensors), writes_inputs=True)


def _module(file: Path, form: Format, spec: ModelSpec, params: TorchParams) -> torch.nn.Module:
    for folder in (spec.folder, str(version_folder(spec))):
        if folder and folder not in sys.path:
            sys.path.insert(0, folder)
    if params.factory:
        module = _made(params.factory, params)
        _fill(module, _weights(file, form), file, params.factory)
        return module
    if form == "safetensors":
        raise ConfigurationError(
            f"{file} holds only weights. Write `factory: module:function` under `engine`, and put the file module.py with a "
            f"function that returns the torch.nn.Module into {version_folder(spec)}."
        )
    if not params.allow_pickle:
        raise ConfigurationError(
            f"{file} was written by torch.save. If it holds only weights, write `factory: module:function` under `engine`, where "
            "the function returns the torch.nn.Module. If it holds a whole module, loading it can run any code: save the model "
            "with torch.export.save instead, or, if you made the file yourself, write `allow_pickle: true`."
        )
    return _unpickled(file)


def _made(factory: str, params: TorchParams) -> torch.nn.Module:
    module_name, _, function_name = factory.partition(":")
    try:
        function = getattr(importlib.import_module(module_name), function_name or "make_model")
    except ImportError as error:
        raise ConfigurationError(
            f"The factory {factory!r} can't be imported: {error}. Its file belongs into the version's or the entry's folder."
        ) from error
    except AttributeError:
        raise ConfigurationError(f"The module {module_name!r} has no function {function_name or 'make_model'!r}.") from None
    try:
        module = function(**params.factory_args)
    except TypeError as error:
        raise ConfigurationError(f"The factory {factory!r} can't be called with {params.factory_args}: {error}.") from error
    if not isinstance(module, torch.nn.Module):
        raise ConfigurationError(f"The factory {factory!r} must return a torch.nn.Module; it returns a {type(module).__name__}.")
    return module


def _weights(file: Path, form: Format) -> Mapping[str, torch.Tensor]:
    try:
        state = load_file(file) if form == "safetensors" else torch.load(file, map_location="cpu", weights_only=True)
    except SafetensorError as error:
        raise ConfigurationError(f"{file} can't be read: {error}.") from None
    except (pickle.UnpicklingError, RuntimeError):
        raise ConfigurationError(
            f"{file} holds more than weights, and reading that could run any code. Save only the weights: "
            "torch.save(model.state_dict(), ...), or better as safetensors."
        ) from None
    nested = state.get("state_dict", state) if isinstance(state, Mapping) else state
    if not isinstance(nested, Mapping):
        raise ConfigurationError(f"{file} holds a {type(state).__name__}, and no weights by their names.")
    return nested


def _fill(module: torch.nn.Module, weights: Mapping[str, torch.Tensor], file: Path, factory: str) -> None:
    own = module.state_dict()
    missing, unknown = sorted(own.keys() - weights.keys()), sorted(weights.keys() - own.keys())
    shapes = [
        f"{name} is {list(weights[name].shape)} and should be {list(own[name].shape)}"
        for name in sorted(own.keys() & weights.keys())
        if weights[name].shape != own[name].shape
    ]
    wrong = [
        f"{words}: {_few(names)}." for words, names in (("Missing", missing), ("Unknown", unknown), ("Shapes", shapes)) if names
    ]
    if wrong:
        raise ConfigurationError(f"The weights in {file} are not those of the module that {factory!r} makes. {' '.join(wrong)}")
    module.load_state_dict(weights)


def _few(names: list[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def _unpickled(file: Path) -> torch.nn.Module:
    try:
        module = torch.load(file, map_location="cpu", weights_only=False)
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(
            f"{file} needs code that is not there: {error}. Put it into the version's or the entry's folder."
        ) from error
    if not isinstance(module, torch.nn.Module):
        raise ConfigurationError(
            f"{file} holds a {type(module).__name__}, and no torch.nn.Module. If these are weights, write `factory` under "
            "`engine`."
        )
    return module
