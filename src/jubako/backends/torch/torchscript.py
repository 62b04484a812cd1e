"""TorchScript: what ``torch.jit.script`` or ``torch.jit.trace`` made and ``torch.jit.save`` wrote."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import torch

from jubako.backends.base import ModelSpec
from jubako.backends.tensor.completion import declared
from jubako.backends.torch.arguments import Arguments
from jubako.backends.torch.params import TorchParams
from jubako.backends.torch.program import PLATFORM, Program
from jubako.errors import ConfigurationError

_IN_PLACE = re.compile(r"= aten::\w+_\(")
"""An operator that writes into its argument, as TorchScript's listing of a graph shows it."""


def load_torchscript(file: Path, spec: ModelSpec, params: TorchParams, device: torch.device) -> Program:
    """
    Raises:
        ConfigurationError: the file can't be loaded, or the entry does not say what TorchScript leaves open.
    """
    if params.factory or params.compile:
        option = "factory" if params.factory else "compile"
        raise ConfigurationError(f"{file} is TorchScript, which has its code with it: remove `{option}` from `engine`.")
    module = _load(file, device)
    module.eval()
    if params.dtype:
        module.to(getattr(torch, params.dtype))
    names = [argument.name for argument in module.forward.schema.arguments[1:]]
    why = f"{file.name} is TorchScript, which does not say datatypes and shapes. Its arguments are: {', '.join(names)}."
    signature = declared(spec, PLATFORM, why)
    arguments = Arguments.of(signature.inputs, names)
    return Program(
        signature=signature,
        call=lambda tensors: arguments.call(module, tensors),
        writes_inputs=bool(_IN_PLACE.search(str(module.inlined_graph))),
    )


def _load(file: Path, device: torch.device) -> torch.jit.ScriptModule:
    try:
        with warnings.catch_warnings():
            # That TorchScript is deprecated is for those who make such files, and not for those who serve them.
            warnings.simplefilter("ignore", DeprecationWarning)
            return torch.jit.load(file, map_location=device)
    except (RuntimeError, ValueError) as error:
        raise ConfigurationError(f"PyTorch {torch.__version__} can't load {file}: {error}") from None
