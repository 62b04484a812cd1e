"""One ``TritonPythonModel``: made, initialized, executed, finalized."""

from __future__ import annotations

import asyncio
import inspect
import json
import threading
from collections.abc import Coroutine, Mapping, Sequence
from functools import cached_property
from typing import Any, Protocol, cast

import msgspec

from jubako.backends.base import ModelSpec
from jubako.backends.python.requirements import check_requirements
from jubako.backends.python.source import find_class, import_file
from jubako.backends.python.user_model import version_folder
from jubako.backends.triton_python import configuration
from jubako.backends.triton_python.calls import Calls
from jubako.backends.triton_python.errors import to_jubako
from jubako.backends.triton_python.module import install
from jubako.backends.triton_python.params import TritonPythonParams
from jubako.backends.triton_python.requests import ReceivedRequest
from jubako.backends.triton_python.responses import Answer, InferenceResponse
from jubako.backends.triton_python.tensors import Tensor
from jubako.errors import ConfigurationError
from jubako.messages import InferResult, Parameter
from jubako.tensors import Arrays, datatype_of, from_array


class _TritonPythonModel(Protocol):
    """What the class of the user's has; ``initialize`` and ``finalize`` may be missing."""

    def execute(self, requests: list[ReceivedRequest]) -> object: ...


class TritonModel:
    """The user's object.

    Attributes:
        config: Its configuration, whole.
        signature: What it takes and gives.
    """

    def __init__(self, model: _TritonPythonModel, config: configuration.Fields, spec: ModelSpec) -> None:
        self.config = config
        self.signature = configuration.signature(config, spec)
        self._model = model
        self._outputs = {output.name: output for output in self.signature.outputs}
        self.is_async = inspect.iscoroutinefunction(model.execute)

    @staticmethod
    def load(spec: ModelSpec, calls: Calls) -> TritonModel:
        """Import the file, complete the configuration and initialize the model. Blocks.

        Raises:
            ConfigurationError: the file or the configuration is wrong.
        """
        params = msgspec.convert(spec.params, TritonPythonParams)
        folder = version_folder(spec)
        _check_environment(spec)
        check_requirements(spec.model, folder, params.requirements)
        install(calls, folder)
        model_class = find_class(import_file(folder / params.file), "TritonPythonModel", "execute")
        config = configuration.configuration(spec, getattr(model_class, "auto_complete_config", None))
        instance = model_class()
        model = TritonModel(instance, config, spec)
        if callable(initialize := getattr(instance, "initialize", None)):
            initialize(_arguments(spec, config))
        return model

    def finalize(self) -> None:
        """The model's own end. Blocks."""
        if callable(finalize := getattr(self._model, "finalize", None)):
            finalize()

    def request(
        self, inputs: Arrays, wanted: frozenset[str], parameters: Mapping[str, Parameter], answer: Answer
    ) -> ReceivedRequest:
        """One request as the model sees it."""
        tensors = [Tensor(name, array) for name, array in inputs.items()]
        return ReceivedRequest(tensors, [name for name in self._outputs if not wanted or name in wanted], parameters, answer)

    def execute(self, requests: list[ReceivedRequest]) -> Sequence[InferenceResponse | None] | None:
        """What the model's ``execute`` returns. Blocks; async code runs on a loop of the model's own."""
        if self.is_async:
            work = cast(Coroutine[Any, Any, object], self._model.execute(requests))
            returned = asyncio.run_coroutine_threadsafe(work, self._loop).result()
        else:
            returned = self._model.execute(requests)
        return cast(Sequence[InferenceResponse | None] | None, returned)

    def result(self, response: InferenceResponse) -> InferResult:
        """
        Raises:
            JubakoError: the response is an error.
            TypeError: an output has another datatype than the configuration says.
        """
        if (error := response.error()) is not None:
            raise to_jubako(error)
        outputs = []
        for tensor in response.output_tensors():
            array, spec = tensor.as_numpy(), self._outputs.get(tensor.name())
            if spec is None:
                raise TypeError(f"The model gave the output {tensor.name()!r}; its configuration has {', '.join(self._outputs)}.")
            datatype = datatype_of(array)
            if datatype != spec.datatype and (datatype, spec.datatype) != ("FP32", "BF16"):
                raise TypeError(f"The model gave the output {spec.name!r} as {datatype}; its configuration says {spec.datatype}.")
            outputs.append(from_array(spec.name, array, spec.datatype))
        return InferResult(outputs=outputs, parameters=response.parameters())

    @cached_property
    def _loop(self) -> asyncio.AbstractEventLoop:
        """Apart from the instance's loop, which the model's code may then block without harm to others."""
        loop = asyncio.new_event_loop()
        threading.Thread(target=loop.run_forever, name="execute", daemon=True).start()
        return loop


def _check_environment(spec: ModelSpec) -> None:
    if (archive := spec.parameters.get("EXECUTION_ENV_PATH")) is not None:
        raise ConfigurationError(
            f"The parameter EXECUTION_ENV_PATH names {archive!r}, but packed environments are not unpacked here: install what "
            "the model needs where jubako runs, and remove the parameter."
        )


def _arguments(spec: ModelSpec, config: configuration.Fields) -> dict[str, str]:
    """What ``initialize`` gets: text throughout, as from Triton."""
    return {
        "model_config": json.dumps(config),
        "model_instance_kind": "CPU" if spec.device_index is None else "GPU",
        "model_instance_name": f"{spec.model}_0",
        "model_instance_device_id": str(spec.device_index or 0),
        "model_repository": spec.folder,
        "model_version": str(spec.version),
        "model_name": spec.model,
    }
