"""Server reflection, as grpcurl uses it: with `grpcio-reflection`, from nothing but the address."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import MessageToDict
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha import reflection_pb2 as pb
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from tests.serving import Server

SERVICES = [
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "inference.GRPCInferenceService",
    "jubako.v1.ChatService",
    "jubako.v1.CompletionService",
    "jubako.v1.EmbeddingService",
    "jubako.v1.ModelService",
    "jubako.v1.RepositoryService",
    "jubako.v1.RerankService",
]
BOTH = ["grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"]


@pytest.fixture(scope="module")
def channel(echo_server: Server) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(f"127.0.0.1:{echo_server.grpc_port}") as channel:
        yield channel


@pytest.fixture(scope="module")
def pool(channel: grpc.Channel) -> DescriptorPool:
    """What the server says of itself."""
    return DescriptorPool(ProtoReflectionDescriptorDatabase(channel))


def ask(
    channel: grpc.Channel, *requests: pb.ServerReflectionRequest, service: str = BOTH[0]
) -> list[pb.ServerReflectionResponse]:
    """The answers to requests on one stream."""
    call = channel.stream_stream(
        f"/{service}/ServerReflectionInfo",
        pb.ServerReflectionRequest.SerializeToString,
        pb.ServerReflectionResponse.FromString,
    )
    return list(call(iter(requests), timeout=60))


def call(channel: grpc.Channel, method: MethodDescriptor, **fields: object) -> list[dict[str, Any]]:
    """Asks a method with a message that is built from its description, and gives its answers as JSON."""
    asked, answered = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
    path = f"/{method.containing_service.full_name}/{method.name}"
    if method.server_streaming:
        answers = channel.unary_stream(path, asked.SerializeToString, answered.FromString)(asked(**fields), timeout=60)
        return [MessageToDict(answer) for answer in answers]
    answer = channel.unary_unary(path, asked.SerializeToString, answered.FromString)(asked(**fields), timeout=60)
    return [MessageToDict(answer)]


def test_services_are_listed_to_whoever_knows_either_name(channel: grpc.Channel) -> None:
    for service in BOTH:
        (answer,) = ask(channel, pb.ServerReflectionRequest(list_services="*"), service=service)
        assert [found.name for found in answer.list_services_response.service] == SERVICES


@pytest.mark.parametrize("service", SERVICES)
def test_every_method_is_found_by_its_name(service: str, channel: grpc.Channel, pool: DescriptorPool) -> None:
    methods = pool.FindServiceByName(service).methods
    assert methods
    requests = [pb.ServerReflectionRequest(file_containing_symbol=method.full_name) for method in methods]
    for method, answer in zip(methods, ask(channel, *requests), strict=True):
        assert answer.original_request.file_containing_symbol == method.full_name
        files = [FileDescriptorProto.FromString(each) for each in answer.file_descriptor_response.file_descriptor_proto]
        assert method.containing_service.file.name in {file.name for file in files}
        # With a file comes all that it imports, so that one answer is enough.
        assert {imported for file in files for imported in file.dependency} <= {file.name for file in files}
        assert method.input_type.full_name
        assert method.output_type.full_name


@pytest.mark.parametrize(
    ("symbol", "file"),
    [
        ("jubako.v1.ChatRequest", "jubako/v1/chat.proto"),
        ("jubako.v1.ChatRequest.model", "jubako/v1/chat.proto"),
        ("jubako.v1.Image.Detail", "jubako/v1/chat.proto"),
        ("jubako.v1.Prompt.kind", "jubako/v1/sampling.proto"),
        ("jubako.v1.TASK_CHAT", "jubako/v1/model.proto"),
        ("google.protobuf.Struct", "google/protobuf/struct.proto"),
    ],
)
def test_messages_fields_and_values_are_found(symbol: str, file: str, channel: grpc.Channel) -> None:
    (answer,) = ask(channel, pb.ServerReflectionRequest(file_containing_symbol=symbol))
    found = [FileDescriptorProto.FromString(each).name for each in answer.file_descriptor_response.file_descriptor_proto]
    assert found[0] == file
    (by_name,) = ask(channel, pb.ServerReflectionRequest(file_by_filename=file))
    assert by_name.file_descriptor_response == answer.file_descriptor_response


def test_what_is_described_can_be_asked(channel: grpc.Channel, pool: DescriptorPool) -> None:
    chat = pool.FindServiceByName("jubako.v1.ChatService").methods_by_name
    request = {"model": "echo", "messages": [{"role": "ROLE_USER", "content": [{"text": "one two"}]}]}
    (answer,) = call(channel, chat["Complete"], **request)
    (choice,) = answer["choices"]
    assert (choice["message"]["content"], choice["finishReason"]) == ([{"text": "one two"}], "FINISH_REASON_STOP")
    deltas = [delta for chunk in call(channel, chat["Stream"], **request) for delta in chunk.get("deltas", [])]
    assert "".join(delta.get("text", "") for delta in deltas) == "one two"
    (ready,) = call(channel, pool.FindMethodByName("inference.GRPCInferenceService.ModelReady"), name="echo")
    assert ready == {"ready": True}


@pytest.mark.parametrize(
    "request_",
    [
        pb.ServerReflectionRequest(file_containing_symbol="jubako.v1.Nobody"),
        pb.ServerReflectionRequest(file_containing_symbol="jubako.v1.ChatService.Nothing"),
        pb.ServerReflectionRequest(file_containing_symbol=""),
        pb.ServerReflectionRequest(file_by_filename="nobody.proto"),
        pb.ServerReflectionRequest(all_extension_numbers_of_type="jubako.v1.Nobody"),
        pb.ServerReflectionRequest(
            file_containing_extension=pb.ExtensionRequest(containing_type="jubako.v1.ChatRequest", extension_number=100)
        ),
    ],
)
def test_what_is_not_there_does_not_end_the_stream(request_: pb.ServerReflectionRequest, channel: grpc.Channel) -> None:
    missing, listed = ask(channel, request_, pb.ServerReflectionRequest(list_services=""))
    assert missing.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]
    assert missing.error_response.error_message
    assert missing.original_request == request_
    assert listed.list_services_response.service
