"""A model of Triton's Python backend; which of the three, its configuration says."""

from __future__ import annotations

import numpy as np
import triton_python_backend_utils as pb_utils
import workload_models


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        self._model = workload_models.load(args["model_name"])

    def execute(self, requests: list[pb_utils.InferenceRequest]) -> list[pb_utils.InferenceResponse]:
        inputs = [pb_utils.get_input_tensor_by_name(request, "INPUT0").as_numpy() for request in requests]
        if len(inputs) == 1:
            return [_response(self._model(inputs[0]))]
        ends = np.cumsum([len(rows) for rows in inputs])
        return [_response(rows) for rows in np.split(self._model(np.concatenate(inputs)), ends[:-1])]


def _response(rows: np.ndarray) -> pb_utils.InferenceResponse:
    return pb_utils.InferenceResponse([pb_utils.Tensor("OUTPUT0", rows)])
