"""What KServe's own client is asked to do, in an interpreter of its own: ``python kserve_calls.py HTTP_URL GRPC_ADDRESS``.

Its protobuf messages have the names of those of tritonclient, so that the two do not fit into one process. It prints what it got,
as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import numpy as np
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest
from kserve.inference_client import RESTConfig

VALUES = np.array([[1, 2.5, -3]], np.float32)


def request(*, binary: bool, model: str = "identity") -> InferRequest:
    tensor = InferInput("INPUT0", list(VALUES.shape), "FP32")
    tensor.set_data_from_numpy(VALUES, binary_data=binary)
    return InferRequest(model, [tensor], request_id="seven")


def shown(response: Any) -> dict[str, Any]:
    values = [output.as_numpy().tolist() for output in response.outputs]
    return {"id": response.id, "version": response.model_version, "values": values}


async def over_http(url: str) -> dict[str, Any]:
    client = InferenceRESTClient(RESTConfig(protocol="v2", retries=0))
    found: dict[str, Any] = {
        "live": await client.is_server_live(url),
        "ready": await client.is_server_ready(url),
        "model": await client.is_model_ready(url, "identity"),
        "json": shown(await client.infer(url, request(binary=False), model_name="identity")),
        "binary": shown(await client.infer(url, request(binary=True), model_name="identity")),
    }
    try:
        await client.infer(url, request(binary=False), model_name="nobody")
    except Exception as error:
        found["error"] = str(error)
    await client.close()
    return found


async def over_grpc(address: str) -> dict[str, Any]:
    client = InferenceGRPCClient(address, retries=0)
    found: dict[str, Any] = {
        "live": await client.is_server_live(),
        "ready": await client.is_server_ready(),
        "model": await client.is_model_ready("identity"),
        "raw": shown(await client.infer(request(binary=True))),
        "typed": shown(await client.infer(request(binary=False))),
    }
    try:
        await client.infer(request(binary=True, model="nobody"))
    except Exception as error:
        found["error"] = str(error)
    await client.close()
    return found


async def main(url: str, address: str) -> None:
    sys.stdout.write(json.dumps({"http": await over_http(url), "grpc": await over_grpc(address)}))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:3]))
