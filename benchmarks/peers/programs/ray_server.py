"""MODEL PORT COPIES: one model behind Ray Serve."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

import numpy as np
import ray
from ray import serve
from starlette.requests import Request

BATCH_WAIT_S = 0.002
MODEL, PORT, COPIES = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
QUIET = serve.schema.LoggingConfig(enable_access_log=False, log_level="WARNING")
OPTIONS = {
    "name": MODEL,
    "num_replicas": COPIES,
    "max_ongoing_requests": 512,
    "logging_config": QUIET,
    "ray_actor_options": {"num_cpus": 0.5},
}


@serve.deployment(**OPTIONS)
class Single:
    def __init__(self, model: str) -> None:
        import workload_models  # noqa: PLC0415  # in the replica, which has another path

        self._model = workload_models.load(model)

    async def __call__(self, request: Request) -> dict[str, list[list[float]]]:
        rows = np.asarray((await request.json())["input"], dtype=np.float32)
        return {"output": self._model(rows).tolist()}


@serve.deployment(**OPTIONS)
class Batched:
    def __init__(self, model: str) -> None:
        import workload_models  # noqa: PLC0415  # in the replica, which has another path

        self._model = workload_models.load(model)

    @serve.batch(max_batch_size=32, batch_wait_timeout_s=BATCH_WAIT_S)
    async def _batch(self, inputs: list[np.ndarray]) -> list[np.ndarray]:
        rows = self._model(np.concatenate(inputs))
        return [rows[row : row + 1] for row in range(len(rows))]

    async def __call__(self, request: Request) -> dict[str, list[list[float]]]:
        rows = np.asarray((await request.json())["input"], dtype=np.float32)
        return {"output": (await self._batch(rows)).tolist()}


def main() -> None:
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    ray.init(
        num_cpus=4,
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=100 * 2**20,
        runtime_env={"env_vars": {"PYTHONPATH": str(Path(__file__).parent)}},
    )
    serve.start(http_options={"host": "127.0.0.1", "port": PORT}, logging_config=QUIET)
    deployment = Single if MODEL == "echo" else Batched
    serve.run(deployment.bind(MODEL), name=MODEL, route_prefix=f"/{MODEL}", blocking=False)
    ended.wait()
    serve.shutdown()
    ray.shutdown()
    os._exit(0)


if __name__ == "__main__":
    main()
