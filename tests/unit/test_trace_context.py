from __future__ import annotations

import re

import pytest

from jubako.trace_context import TraceContext

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.mark.parametrize(("flags", "is_sampled"), [("00", False), ("01", True), ("03", True), ("fe", False)])
def test_a_request_made_on_behalf_of_another_is_in_the_same_trace(flags: str, is_sampled: bool) -> None:
    trace = TraceContext.of(f"00-{TRACE}-{PARENT}-{flags}", "vendor=1,other=x y")
    assert trace is not None
    assert (trace.trace_id, trace.is_sampled) == (TRACE, is_sampled)
    headers = trace.headers()
    assert headers["tracestate"] == "vendor=1,other=x y"
    made = re.fullmatch(rf"00-{TRACE}-([0-9a-f]{{16}})-0{int(is_sampled)}", headers["traceparent"])
    assert made is not None
    assert made[1] not in {PARENT, "0" * 16}
    assert trace.headers()["traceparent"] != headers["traceparent"]


def test_what_comes_of_a_later_version_is_read_as_far_as_it_is_known() -> None:
    for more in ("", "-what-is-more"):
        trace = TraceContext.of(f"cc-{TRACE}-{PARENT}-01{more}")
        assert trace is not None
        assert trace.headers().keys() == {"traceparent"}
        assert trace.headers()["traceparent"].startswith(f"00-{TRACE}-")


@pytest.mark.parametrize(
    "traceparent",
    [
        "",
        "nonsense",
        f"00-{TRACE}-{PARENT}",
        f"00-{TRACE}-{PARENT}-01-more",
        f"00-{TRACE}-{PARENT}-01-",
        f"00-{TRACE}-{PARENT}-1",
        f"00-{TRACE.upper()}-{PARENT}-01",
        f"00-{TRACE[1:]}-{PARENT}-01",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-{PARENT}-01",
        f"cc-{TRACE}-{PARENT}-01.what",
        f"00-{TRACE}-{PARENT}-01\n",
        f"00-{TRACE}-{PARENT}-01,00-{TRACE}-{PARENT}-01",
    ],
)
def test_what_is_no_trace_is_taken_as_if_it_had_not_been_sent(traceparent: str) -> None:
    assert TraceContext.of(traceparent, "vendor=1") is None


@pytest.mark.parametrize("tracestate", ["", "a=b\r\nx-evil: 1", "満=1", "x" * 513])
def test_a_state_that_cannot_be_sent_on_is_left_out(tracestate: str) -> None:
    trace = TraceContext.of(f"00-{TRACE}-{PARENT}-01", tracestate)
    assert trace is not None
    assert trace.headers().keys() == {"traceparent"}
