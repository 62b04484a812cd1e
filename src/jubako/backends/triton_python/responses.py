"""``pb_utils.InferenceResponse``, and how a model sends one later than ``execute`` returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from jubako.backends.triton_python.errors import TritonError, TritonModelException
from jubako.backends.triton_python.tensors import Tensor
from jubako.messages import Parameter

TRITONSERVER_RESPONSE_COMPLETE_FINAL = 1


class InferenceResponse:
    """An answer: outputs, or why there are none."""

    def __init__(
        self,
        output_tensors: Sequence[Tensor] = (),
        error: TritonError | str | None = None,
        parameters: Mapping[str, Parameter] | None = None,
    ) -> None:
        self._output_tensors = list(output_tensors)
        self._error = TritonError(error) if isinstance(error, str) else error
        self._parameters = dict(parameters or {})

    def output_tensors(self) -> list[Tensor]:
        return self._output_tensors

    def has_error(self) -> bool:
        return self._error is not None

    def error(self) -> TritonError | None:
        return self._error

    def parameters(self) -> dict[str, Parameter]:
        return self._parameters


class Answer(Protocol):
    """Where the responses to one request go, from any thread."""

    cancelled: bool
    """Nobody waits for it any more."""

    def put(self, response: InferenceResponse) -> None: ...

    def end(self) -> None:
        """No response follows."""


class ResponseSender:
    """What a model answers one request with, from any thread. Its end, if the model forgets to say it, is that of the object."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._open = True

    def send(self, response: InferenceResponse | None = None, flags: int = 0) -> None:
        """Send a response; with the flag ``TRITONSERVER_RESPONSE_COMPLETE_FINAL`` it is the last, or there is none more.

        Raises:
            TritonModelException: the last was sent already, or there is nothing to send.
        """
        if flags not in (0, TRITONSERVER_RESPONSE_COMPLETE_FINAL):
            raise TritonModelException(f"A response can't be sent with the flags {flags}; there is COMPLETE_FINAL, which is 1.")
        if not self._open:
            raise TritonModelException("The last response to this request was sent already.")
        if response is None and not flags:
            raise TritonModelException("Send a response, or the flag TRITONSERVER_RESPONSE_COMPLETE_FINAL, or both.")
        if response is not None:
            self._answer.put(response)
        if flags:
            self._close()

    def is_cancelled(self) -> bool:
        return self._answer.cancelled

    def __del__(self) -> None:
        if getattr(self, "_open", False):
            self._close()

    def _close(self) -> None:
        self._open = False
        self._answer.end()
