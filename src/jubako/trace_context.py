"""W3C Trace Context: which trace a request belongs to (https://www.w3.org/TR/trace-context/)."""

from __future__ import annotations

import re
from typing import Self

from msgspec import Struct

from jubako.identifiers import fresh_span_id

_TRACEPARENT = re.compile(
    r"(?!ff)(?P<version>[0-9a-f]{2})-(?!0{32})(?P<trace>[0-9a-f]{32})-(?!0{16})(?P<parent>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})"
    r"(?P<more>-.*)?"
)
_TRACESTATE = re.compile(r"[ -~]{1,512}")

_SAMPLED = 1
"""The one flag of version 00 that is passed on; the others are reserved, and set to zero."""


class TraceContext(Struct, frozen=True, array_like=True, gc=False):
    """What the headers ``traceparent`` and ``tracestate`` of a request say.

    Attributes:
        trace_id: 32 hexadecimal digits, the same along the whole trace.
        is_sampled: Whether who asks may have recorded it.
        state: What others on the way want passed along; empty for nothing.
    """

    trace_id: str
    is_sampled: bool
    state: str = ""

    @classmethod
    def of(cls, traceparent: str, tracestate: str = "") -> Self | None:
        """The trace that two headers name; None for what is none, which is to be taken as if it had not been sent."""
        found = _TRACEPARENT.fullmatch(traceparent)
        if found is None or (found["version"] == "00" and found["more"]):
            return None
        state = tracestate if _TRACESTATE.fullmatch(tracestate) else ""
        return cls(found["trace"], bool(int(found["flags"], 16) & _SAMPLED), state)

    def headers(self) -> dict[str, str]:
        """What a request carries that is made on behalf of this one: the same trace, and a parent of its own."""
        headers = {"traceparent": f"00-{self.trace_id}-{fresh_span_id()}-{int(self.is_sampled):02x}"}
        return headers | {"tracestate": self.state} if self.state else headers
