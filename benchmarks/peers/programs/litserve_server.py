"""MODEL PORT COPIES: one model behind LitServe."""

from __future__ import annotations

import sys
from typing import Any

import litserve
import numpy as np
import workload_models

BATCH_TIMEOUT_S = 0.001


class Single(litserve.LitAPI):
    def __init__(self, model: str, **options: Any) -> None:
        super().__init__(api_path=f"/{model}", **options)
        self._name = model

    def setup(self, device: str) -> None:
        self._model = workload_models.load(self._name)

    def decode_request(self, request) -> np.ndarray:  # FastAPI would read an annotation as the body's form
        return np.asarray(request["input"], dtype=np.float32)

    def predict(self, rows: np.ndarray) -> np.ndarray:
        return self._model(rows)

    def encode_response(self, rows: np.ndarray) -> dict[str, Any]:
        return {"output": rows.tolist()}


class Batched(Single):
    def batch(self, inputs: list[np.ndarray]) -> np.ndarray:
        return np.concatenate(inputs)

    def unbatch(self, output: np.ndarray) -> list[np.ndarray]:
        return [output[row : row + 1] for row in range(len(output))]


if __name__ == "__main__":
    model, port, copies = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    api = Single(model) if model == "echo" else Batched(model, max_batch_size=32, batch_timeout=BATCH_TIMEOUT_S)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=copies, fast_queue=True, timeout=60)
    server.run(
        host="127.0.0.1",
        port=port,
        num_api_servers=copies,
        log_level="warning",
        generate_client_file=False,
        access_log=False,
    )
