"""Between the bytes of a message and the message, for methods that are not worth anything faster."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Final, TypeVar

from google.protobuf.message import DecodeError, Message

from jubako.access.scope import Access
from jubako.dataplane.limited import seen_by
from jubako.dataplane.protocol import Plane
from jubako.grpc.encoding import no_message, require_few_values
from jubako.grpc.transport.call import Call, Method, Unary
from jubako.grpc.transport.status import OK
from jubako.tensors import Buffer

LARGE: Final = 64 * 1024
"""Bytes of a message in which there may be so many values that they are counted first."""

M = TypeVar("M", bound=Message)

Answer = Callable[[M, Plane, Call], Awaitable[Message]]
Answers = Callable[[M, Plane, Call], AsyncGenerator[Message]]


def parsed(kind: type[M], message: Buffer) -> M:
    """
    Raises:
        InvalidRequest: it is no such message, or holds too many values.
    """
    if len(message) > LARGE:
        require_few_values(kind, memoryview(message))
    try:
        return kind.FromString(bytes(message))
    except DecodeError:
        raise no_message(kind) from None


def unary(path: str, kind: type[M], answer: Answer[M], plane: Plane, access: Access, *, probe: bool = False) -> Method:
    """The method at `path`, whose requests are of this kind. It is answered from the plane as the caller sees it."""

    async def handle(message: Buffer, call: Call) -> Sequence[Buffer]:
        return [(await answer(_request(kind, message, call), seen_by(plane, call.key), call)).SerializeToString()]

    handler: Unary = handle
    return Method(path, access, unary=handler, probe=probe)


def streaming(path: str, kind: type[M], answers: Answers[M], plane: Plane, access: Access) -> Method:
    """The method at `path` that answers one request of this kind with a stream; a client that leaves ends it."""

    async def handle(call: Call) -> None:
        async with aclosing(answers(_request(kind, await call.message(), call), seen_by(plane, call.key), call)) as stream:
            async for answer in stream:
                await call.send([answer.SerializeToString()])
        # Whole even if the server has begun to leave meanwhile.
        call.finish(OK)

    return Method(path, access, streaming=handle)


def _request(kind: type[M], message: Buffer, call: Call) -> M:
    request = parsed(kind, message)
    call.asked = getattr(request, "model", "")
    return request
