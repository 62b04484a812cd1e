"""Calls of the services with grpcio, as generated stubs make them."""

from __future__ import annotations

from typing import Any, TypeVar

import grpc
from google.protobuf.message import Message

from jubako.grpc.v1.methods import SERVICES
from jubako.protos import jubako_v1 as pb
from jubako.protos.pool import POOL
from tests.unit.grpc.peer import PATIENCE_S

A = TypeVar("A", bound=Message)


def ask(channel: grpc.aio.Channel, method: str, request: Message, kind: type[A]) -> grpc.aio.UnaryUnaryCall[Message, A]:
    """One answer: `method` is such as ``ChatService/Complete``."""
    serialize = type(request).SerializeToString
    made: grpc.aio.UnaryUnaryMultiCallable[Message, A] = channel.unary_unary(f"/jubako.v1.{method}", serialize, kind.FromString)
    return made(request, timeout=PATIENCE_S)


def stream(channel: grpc.aio.Channel, method: str, request: Message, kind: type[A]) -> Any:
    """A stream of answers of this kind, to be read."""
    serialize = type(request).SerializeToString
    made: grpc.aio.UnaryStreamMultiCallable[Message, A] = channel.unary_stream(f"/jubako.v1.{method}", serialize, kind.FromString)
    return made(request, timeout=PATIENCE_S)


def said(text: str, **fields: Any) -> pb.ChatRequest:
    """A chat of one message to the model talk."""
    user = pb.Message(role=pb.ROLE_USER, content=[pb.ContentPart(text=text)])
    return pb.ChatRequest(**{"model": "talk", "messages": [user], **fields})


def described() -> list[str]:
    """The full names of all methods in the descriptors."""
    return [method.full_name for service in SERVICES for method in POOL.FindServiceByName(service).methods]
