"""aio|sync PORT: a V2 echo over grpcio with no server behind it."""

from __future__ import annotations

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor

import grpc
from tritonclient.grpc import service_pb2, service_pb2_grpc


def _answer(request: service_pb2.ModelInferRequest) -> service_pb2.ModelInferResponse:
    response = service_pb2.ModelInferResponse(model_name=request.model_name)
    output = response.outputs.add()
    output.name, output.datatype = "OUTPUT0", "FP32"
    output.shape.extend(request.inputs[0].shape)
    response.raw_output_contents.append(request.raw_input_contents[0])
    return response


class Awaited(service_pb2_grpc.GRPCInferenceServiceServicer):
    async def ModelInfer(self, request, context):  # noqa: N802
        return _answer(request)


class Threaded(service_pb2_grpc.GRPCInferenceServiceServicer):
    def ModelInfer(self, request, context):  # noqa: N802
        return _answer(request)


async def _serve_awaited(address: str) -> None:
    server = grpc.aio.server()
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(Awaited(), server)
    server.add_insecure_port(address)
    await server.start()
    await server.wait_for_termination()


def _serve_threaded(address: str) -> None:
    server = grpc.server(ThreadPoolExecutor(16))
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(Threaded(), server)
    server.add_insecure_port(address)
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    way, port = sys.argv[1:]
    if way == "aio":
        asyncio.run(_serve_awaited(f"127.0.0.1:{port}"))
    else:
        _serve_threaded(f"127.0.0.1:{port}")
