"""``grpc.reflection``: the texts that describe what is served, for tools such as grpcurl."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pool import DescriptorPool

from jubako.access.scope import OPEN
from jubako.grpc.translation import parsed
from jubako.grpc.transport.call import Call, Method
from jubako.grpc.transport.status import CODES
from jubako.protos import reflection as pb

SERVICE: Final = "grpc.reflection.v1.ServerReflection"
OLDER_SERVICE: Final = "grpc.reflection.v1alpha.ServerReflection"
"""What tools ask that do not know the newer name; its messages are the same."""


class Reflection:
    """Answers from the descriptors of `pool`; `services` are the full names of what is served."""

    def __init__(self, pool: DescriptorPool, services: Sequence[str]) -> None:
        self._pool = pool
        self._services = sorted(services)

    def methods(self) -> list[Method]:
        return [
            Method(f"/{service}/ServerReflectionInfo", OPEN, streaming=self._answer_all, probe=True)
            for service in (SERVICE, OLDER_SERVICE)
        ]

    async def _answer_all(self, call: Call) -> None:
        async for message in call.messages():
            request = parsed(pb.ServerReflectionRequest, message)
            response = self._answer(request)
            response.valid_host = request.host
            response.original_request.CopyFrom(request)
            await call.send([response.SerializeToString()])

    def _answer(self, request: pb.ServerReflectionRequest) -> pb.ServerReflectionResponse:
        try:
            match request.WhichOneof("message_request"):
                case "list_services":
                    services = [pb.ServiceResponse(name=name) for name in self._services]
                    return pb.ServerReflectionResponse(list_services_response=pb.ListServiceResponse(service=services))
                case "file_by_filename":
                    return _files(self._pool.FindFileByName(request.file_by_filename))
                case "file_containing_symbol":
                    return _files(self._file_of(request.file_containing_symbol))
                case "all_extension_numbers_of_type":
                    name = self._pool.FindMessageTypeByName(request.all_extension_numbers_of_type).full_name
                    return pb.ServerReflectionResponse(
                        all_extension_numbers_response=pb.ExtensionNumberResponse(base_type_name=name)
                    )
                case _:
                    return _error("NOT_FOUND", "There are no extensions.")
        except KeyError:
            return _error("NOT_FOUND", "There is nothing of that name.")

    def _file_of(self, symbol: str) -> FileDescriptor:
        """
        Raises:
            KeyError: there is no such symbol.
        """
        try:
            return self._pool.FindFileContainingSymbol(symbol)
        except KeyError:
            # To the pool, the methods of a service are no symbols.
            return self._pool.FindMethodByName(symbol).containing_service.file


def _files(file: FileDescriptor) -> pb.ServerReflectionResponse:
    """The text, and all that it imports, each once."""
    found: dict[str, bytes] = {}
    left = [file]
    while left:
        one = left.pop()
        if one.name not in found:
            found[one.name] = one.serialized_pb
            left += one.dependencies
    answer = pb.FileDescriptorResponse(file_descriptor_proto=list(found.values()))
    return pb.ServerReflectionResponse(file_descriptor_response=answer)


def _error(code: str, message: str) -> pb.ServerReflectionResponse:
    return pb.ServerReflectionResponse(error_response=pb.ErrorResponse(error_code=CODES[code], error_message=message))
