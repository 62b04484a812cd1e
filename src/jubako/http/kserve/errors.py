"""Errors as the Open Inference Protocol says them."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from jubako.errors import InvalidRequest, JubakoError


class ErrorMessage(Struct, frozen=True):
    """The body of every answer under /v2 that is an error."""

    error: str


def error_body(error: JubakoError) -> bytes:
    return msgspec.json.encode(ErrorMessage(error.message))


def error_event(error: JubakoError) -> bytes:
    """The event that ends a stream which can't go on."""
    return b"data: " + error_body(error) + b"\n\n"


def about_model(error: InvalidRequest, model: str) -> InvalidRequest:
    """The same error, saying of which model's request it is."""
    return type(error)(f"In the request to the model {model!r}: {error.message}", param=error.param, code=error.code)
