"""Who asks, as far as answering needs to know."""

from __future__ import annotations

from math import inf

from msgspec import Struct

from jubako.trace_context import TraceContext


class Caller(Struct, frozen=True, gc=False):
    """What goes with a request from the door to the engine.

    Attributes:
        request_id: Names it in every log.
        deadline: When nobody waits for the answer any more, a time of the event loop; infinite where the client set none.
        trace: The trace that it belongs to, if its client named one.
    """

    request_id: str
    deadline: float = inf
    trace: TraceContext | None = None
