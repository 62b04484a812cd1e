"""Between the bytes of a message and the message, for methods that are not worth anything faster."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from jubako.dataplane.protocol import Plane
from jubako.errors import InvalidRequest
from jubako.grpc.transport.call import Call, Method, Unary
from jubako.tensors import Buffer

M = TypeVar("M", bound=Message)

Answer = Callable[[M, Plane, Call], Awaitable[Message]]


def parsed(kind: type[M], message: Buffer) -> M:
    """
    Raises:
        InvalidRequest: it is no such message.
    """
    try:
        return kind.FromString(bytes(message))
    except DecodeError:
        raise InvalidRequest(f"The message is no {kind.DESCRIPTOR.full_name}.") from None


def unary(path: str, kind: type[M], answer: Answer[M], plane: Plane, *, probe: bool = False) -> Method:
    """The method at `path`, whose requests are of this kind."""

    async def handle(message: Buffer, call: Call) -> Sequence[Buffer]:
        return [(await answer(parsed(kind, message), plane, call)).SerializeToString()]

    handler: Unary = handle
    return Method(path, unary=handler, probe=probe)
