"""One PyTorch model."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import msgspec
import torch

from jubako.backends.processors import spare_processors
from jubako.backends.tensor.engine import TensorEngine
from jubako.backends.tensor.files import model_file
from jubako.backends.torch.arguments import positions, results
from jubako.backends.torch.formats import SUFFIXES, format_of
from jubako.backends.torch.params import TorchParams
from jubako.backends.torch.program import Program
from jubako.backends.torch.torchscript import load_torchscript
from jubako.backends.torch.values import DTYPES, check_datatype, expect_read_only_arrays, to_array, to_tensor
from jubako.errors import ConfigurationError, InternalError
from jubako.messages import Parameter
from jubako.tensors import Arrays, Signature

log = logging.getLogger(__name__)


class TorchEngine(TensorEngine):
    """The engine of the backend ``torch``."""

    _program: Program
    _device: torch.device

    def load(self) -> Signature:
        params = msgspec.convert(self.spec.params, TorchParams)
        torch.set_num_threads(params.threads or spare_processors())
        expect_read_only_arrays()
        self._device = _device(params.device, self.spec.device_index)
        self._program = self._open(params)
        signature = self._program.signature
        for tensor in (*signature.inputs, *signature.outputs):
            check_datatype(tensor)
        computed = getattr(torch, params.dtype) if params.dtype else None
        self._dtypes = {
            tensor.name: computed if computed and DTYPES[tensor.datatype].is_floating_point else DTYPES[tensor.datatype]
            for tensor in signature.inputs
        }
        self._outputs = {tensor.name: tensor for tensor in signature.outputs}
        self._places = positions(signature.outputs)
        if self._device.type != "cpu":
            log.info("%s is computed on %s", self.spec.model, self._device)
        return signature

    def run(self, inputs: Arrays, wanted: frozenset[str], parameters: Mapping[str, Parameter]) -> Arrays:
        with torch.inference_mode():
            found = results(self._compute(inputs), self._places)
            return {name: to_array(found[name], self._outputs[name]) for name in self._outputs if name in wanted}

    def _compute(self, inputs: Arrays) -> object:
        writable = self._program.writes_inputs
        tensors = {name: to_tensor(array, self._dtypes[name], self._device, writable=writable) for name, array in inputs.items()}
        try:
            return self._program.call(tensors)
        except (RuntimeError, IndexError, ValueError) as error:
            raise InternalError(f"The model {self.spec.model!r} could not be computed: {_last_line(error)}") from error

    def _open(self, params: TorchParams) -> Program:
        file = model_file(self.spec, SUFFIXES)
        match format_of(file):
            case "torchscript":
                return load_torchscript(file, self.spec, params, self._device)
            case "exported":
                # Its modules take a third more memory than PyTorch itself, so that only these programs pay for them.
                from jubako.backends.torch.exported import load_exported  # noqa: PLC0415

                return load_exported(file, self.spec, params, self._device)
            case form:
                from jubako.backends.torch.modules import load_module  # noqa: PLC0415

                return load_module(file, form, self.spec, params, self._device)


def _device(said: str, index: int | None) -> torch.device:
    """
    Raises:
        ConfigurationError: there is no such device.
    """
    if said == "auto":
        said = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(said)
    except RuntimeError:
        raise ConfigurationError(f"PyTorch knows no device {said!r}. Write `auto`, `cpu`, `cuda` or `cuda:1`.") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ConfigurationError(f"The entry asks for the device {said!r}, and PyTorch {torch.__version__} sees no GPU.")
    if device.type == "cuda" and device.index is None:
        device = torch.device("cuda", index or 0)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigurationError(f"There is no {device}; PyTorch sees {torch.cuda.device_count()} GPU(s), counted from 0.")
    return device


def _last_line(error: Exception) -> str:
    """The reason without TorchScript's listing of the code."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
