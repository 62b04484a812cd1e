"""Models that answer every request once: a batch is a list of requests."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence

from jubako.backends.base import ModelSpec
from jubako.backends.tensor.engine import TensorEngine
from jubako.backends.tensor.intake import Member
from jubako.backends.tensor.model import TensorBackend
from jubako.backends.tensor.tally import Times
from jubako.backends.triton_python.errors import TritonModelException
from jubako.backends.triton_python.model import TritonModel
from jubako.backends.triton_python.requests import ReceivedRequest
from jubako.backends.triton_python.responses import InferenceResponse
from jubako.errors import InternalError
from jubako.messages import InferResult, Parameter
from jubako.tensors import Arrays, Signature, to_array


class TritonEngine(TensorEngine):
    """The model as an engine; batches take the shorter way of :class:`BatchedModel`."""

    takes_parameters = True
    asks_others = True

    def __init__(self, spec: ModelSpec, model: TritonModel) -> None:
        super().__init__(spec)
        self.model = model

    def load(self) -> Signature:
        return self.model.signature

    def run(self, inputs: Arrays, wanted: frozenset[str], parameters: Mapping[str, Parameter]) -> Arrays:
        (outcome,) = self.answer([Member(inputs, 1, None, 1.0, 0, wanted, parameters, 0.0)])
        if isinstance(outcome, Exception):
            raise outcome
        return {output.name: to_array(output) for output in outcome.outputs}

    def answer(self, members: Sequence[Member]) -> list[InferResult | Exception]:
        """The answers to the requests of one batch, each its own.

        Raises:
            InternalError: the model failed all of them and says why.
        """
        answers = [_Collected() for _ in members]
        requests = [
            self.model.request(member.arrays, member.wanted, member.parameters, answer)
            for member, answer in zip(members, answers, strict=True)
        ]
        responses = self._execute(requests)
        del requests  # else a sender that the model forgot would never be seen to be gone
        return [self._outcome(response, answer) for response, answer in zip(responses, answers, strict=True)]

    def close(self) -> None:
        self.model.finalize()

    def _execute(self, requests: list[ReceivedRequest]) -> Sequence[InferenceResponse | None]:
        try:
            responses = self.model.execute(requests)
        except TritonModelException as error:
            raise InternalError(str(error)) from error
        if responses is None:
            return [None] * len(requests)
        if len(responses) != len(requests):
            raise TypeError(f"execute returned {len(responses)} responses to {len(requests)} requests; each needs one.")
        return responses

    def _outcome(self, response: InferenceResponse | None, answer: _Collected) -> InferResult | Exception:
        try:
            return self.model.result(response if response is not None else answer.only())
        except Exception as error:
            return error


class BatchedModel(TensorBackend):
    """Gives ``execute`` the requests of a batch as they are, not joined."""

    def __init__(self, spec: ModelSpec, engine: TritonEngine) -> None:
        super().__init__(spec, engine)
        self._triton = engine

    def _run(self, members: list[Member]) -> list[InferResult | Exception]:
        begun = time.perf_counter()
        try:
            outcomes = self._triton.answer(members)
        except Exception:
            self._tally.failed(members, time.perf_counter())
            raise
        ended = time.perf_counter()
        pairs = list(zip(members, outcomes, strict=True))
        failed = [member for member, outcome in pairs if isinstance(outcome, Exception)]
        answered = [member for member, outcome in pairs if not isinstance(outcome, Exception)]
        if failed:
            self._tally.failed(failed, ended)
        if answered:
            rows = sum(member.rows for member in answered)
            self._tally.executed(answered, rows, Times(begun, begun, ended, ended))
        return outcomes


class _Collected:
    """The one response to a request whose model sends it later."""

    cancelled = False

    def __init__(self) -> None:
        self._responses: list[InferenceResponse] = []
        self._ended = threading.Event()

    def put(self, response: InferenceResponse) -> None:
        self._responses.append(response)

    def end(self) -> None:
        self._ended.set()

    def only(self) -> InferenceResponse:
        """Blocks until the model has sent it.

        Raises:
            TypeError: there was none, or were several.
        """
        self._ended.wait()
        if len(self._responses) != 1:
            raise TypeError(f"The model sent {len(self._responses)} responses to a request, and is not decoupled: it needs one.")
        return self._responses[0]
