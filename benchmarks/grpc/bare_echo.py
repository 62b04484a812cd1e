"""PORT: the least that a server of `grpc.aio` can do, to compare with: it answers a message with itself, and parses nothing."""

from __future__ import annotations

import asyncio
import sys

import grpc
import grpc.aio


class Echo(grpc.GenericRpcHandler):
    """Every method of every service."""

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes]:
        return grpc.unary_unary_rpc_method_handler(self._answer)

    async def _answer(self, request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        return request


async def serve(port: int) -> None:
    server = grpc.aio.server(handlers=[Echo()])
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
