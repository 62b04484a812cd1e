"""``pb_utils.InferenceRequest`` and ``pb_utils.InferenceResponse``: those that come, and those that a model makes."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from jubako.backends.triton_python.calls import Calls, ResponseStream
from jubako.backends.triton_python.errors import TritonError, TritonModelException
from jubako.backends.triton_python.responses import Answer, InferenceResponse, ResponseSender
from jubako.backends.triton_python.tensors import Tensor
from jubako.messages import InferRequest, Parameter, RequestedOutput
from jubako.tensors import from_array

TRITONSERVER_REQUEST_FLAG_SEQUENCE_START = 1
TRITONSERVER_REQUEST_FLAG_SEQUENCE_END = 2


@dataclass(frozen=True)
class PreferredMemory:
    """Where a model would like another's outputs; they are always on the CPU."""

    preferred_memory_type: int
    preferred_device_id: int = 0


class InferenceRequest:
    """A request to another model, as the model that makes it writes it."""

    calls: ClassVar[Calls]
    """How it reaches the other model: set for the instance in :mod:`jubako.backends.triton_python.module`."""

    def __init__(  # noqa: PLR0917 - Triton's order
        self,
        request_id: str = "",
        correlation_id: int | str = 0,
        inputs: Sequence[Tensor] = (),
        requested_output_names: Sequence[str] = (),
        model_name: str = "",
        model_version: int = -1,
        flags: int = 0,
        timeout: int = 0,
        preferred_memory: PreferredMemory | None = None,
        trace: object = None,
        parameters: Mapping[str, Parameter] | None = None,
    ) -> None:
        self._request_id = request_id
        self._correlation_id = correlation_id
        self._inputs = list(inputs)
        self._requested_output_names = list(requested_output_names)
        self._model_name = model_name
        self._model_version = model_version
        self._flags = flags
        self._timeout = timeout
        self._preferred_memory = preferred_memory or PreferredMemory(0)
        self._trace = trace
        self._parameters = dict(parameters or {})

    def inputs(self) -> list[Tensor]:
        return self._inputs

    def request_id(self) -> str:
        return self._request_id

    def correlation_id(self) -> int | str:
        return self._correlation_id

    def requested_output_names(self) -> list[str]:
        return self._requested_output_names

    def model_name(self) -> str:
        return self._model_name

    def model_version(self) -> int:
        return self._model_version

    def flags(self) -> int:
        return self._flags

    def set_flags(self, flags: int) -> None:
        self._flags = flags

    def timeout(self) -> int:
        """Microseconds; 0 for none."""
        return self._timeout

    def preferred_memory(self) -> PreferredMemory:
        return self._preferred_memory

    def trace(self) -> object:
        return self._trace

    def parameters(self) -> str:
        """The parameters as JSON."""
        return json.dumps(self._parameters)

    def is_cancelled(self) -> bool:
        return False

    def exec(self, decoupled: bool = False) -> InferenceResponse | ResponseStream:
        """Ask the other model. Blocks; with `decoupled` only as the answers are looked at."""
        if decoupled:
            return self.calls.stream(self._message())
        return self.calls.ask(self._message())

    async def async_exec(self, decoupled: bool = False) -> InferenceResponse | ResponseStream:
        if decoupled:
            return self.calls.stream(self._message())
        return await self.calls.ask_async(self._message())

    def _message(self) -> InferRequest:
        if not self._model_name:
            raise TritonModelException("An InferenceRequest to another model needs its model_name.")
        version = f":{self._model_version}" if self._model_version > 0 else ""
        sequence: dict[str, Parameter] = {"sequence_id": self._correlation_id} if self._correlation_id else {}
        return InferRequest(
            model=f"{self._model_name}{version}",
            inputs=[from_array(tensor.name(), tensor.as_numpy()) for tensor in self._inputs],
            outputs=[RequestedOutput(name) for name in self._requested_output_names],
            parameters=sequence | self._parameters,
            timeout_us=self._timeout,
        )


class ReceivedRequest(InferenceRequest):
    """A request that the model is to answer."""

    def __init__(
        self, inputs: Sequence[Tensor], wanted: Sequence[str], parameters: Mapping[str, Parameter], answer: Answer
    ) -> None:
        sequence = parameters.get("sequence_id", 0)
        flags = TRITONSERVER_REQUEST_FLAG_SEQUENCE_START if parameters.get("sequence_start") else 0
        flags |= TRITONSERVER_REQUEST_FLAG_SEQUENCE_END if parameters.get("sequence_end") else 0
        super().__init__(
            correlation_id=sequence if isinstance(sequence, int | str) else 0,
            inputs=inputs,
            requested_output_names=wanted,
            parameters=parameters,
            flags=flags,
        )
        self._answer = answer
        self._lock = threading.Lock()
        self._sender: ResponseSender | None = None

    def get_response_sender(self) -> ResponseSender:
        with self._lock:
            if self._sender is None:
                self._sender = ResponseSender(self._answer)
            return self._sender

    @property
    def has_sender(self) -> bool:
        """Whether the model has asked for the sender."""
        return self._sender is not None

    def is_cancelled(self) -> bool:
        return self._answer.cancelled

    def set_release_flags(self, flags: int) -> None:
        if flags != 1:
            raise TritonModelException("A request can't be scheduled again here: answer it.")


def get_input_tensor_by_name(inference_request: InferenceRequest, name: str) -> Tensor | None:
    return next((tensor for tensor in inference_request.inputs() if tensor.name() == name), None)


def get_output_tensor_by_name(inference_response: InferenceResponse, name: str) -> Tensor | None:
    if inference_response.has_error():
        error = inference_response.error()
        raise TritonModelException(error.message() if isinstance(error, TritonError) else str(error))
    return next((tensor for tensor in inference_response.output_tensors() if tensor.name() == name), None)
