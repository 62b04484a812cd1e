"""Tensor requests with the official client, for tests of models: numpy in, numpy out."""

from __future__ import annotations

import queue
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from tritonclient import grpc, http
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from tests.serving import Server

PATIENCE_S = 30.0
"""More than anything here takes on a busy machine."""


def ask(
    server: Server, model: str, *, outputs: Sequence[str] = (), parameters: Mapping[str, Any] | None = None, **arrays: Any
) -> dict[str, Any]:
    """The outputs of a model by their names.

    Raises:
        InferenceServerException: what the server answers.
    """
    with http.InferenceServerClient(f"127.0.0.1:{server.port}", network_timeout=PATIENCE_S) as client:
        answer = client.infer(
            model,
            [_input(http, name, array) for name, array in arrays.items()],
            outputs=[http.InferRequestedOutput(name) for name in outputs] or None,
            parameters=dict(parameters or {}) or None,
        )
        return {output["name"]: answer.as_numpy(output["name"]) for output in answer.get_response()["outputs"]}


class Stream:
    """The answers to one streamed request, as they come."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._answers: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def put(self, result: Any, error: Any) -> None:
        self._answers.put(error or result)

    def next(self) -> dict[str, Any] | None:
        """The next answer's outputs; None after the last.

        Raises:
            InferenceServerException: what the server answers.
        """
        answer = self._answers.get(timeout=PATIENCE_S)
        if isinstance(answer, InferenceServerException):
            raise answer
        response = answer.get_response()
        if response.parameters["triton_final_response"].bool_param and not response.outputs:
            return None
        return {output.name: answer.as_numpy(output.name) for output in response.outputs}

    def __iter__(self) -> Iterator[dict[str, Any]]:
        while (answer := self.next()) is not None:
            yield answer


@contextmanager
def streaming(server: Server, model: str, **arrays: Any) -> Iterator[Stream]:
    """Ask for a stream; leaving the block cancels it."""
    with grpc.InferenceServerClient(f"127.0.0.1:{server.grpc_port}") as client:
        stream = Stream(client)
        client.start_stream(stream.put)
        client.async_stream_infer(
            model, [_input(grpc, name, array) for name, array in arrays.items()], enable_empty_final_response=True
        )
        try:
            yield stream
        finally:
            client.stop_stream(cancel_requests=True)


def text(*values: str) -> Any:
    return np.array(values, dtype=object)


def _input(kind: Any, name: str, array: Any) -> Any:
    array = np.asarray(array)
    return kind.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype)).set_data_from_numpy(array)
