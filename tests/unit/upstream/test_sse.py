"""Server-sent events, cut in every way."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jubako.backends.upstream import sse
from jubako.backends.upstream.sse import EventReader
from jubako.errors import UpstreamFailed

LINES = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=8)


def read(stream: bytes, cuts: list[int]) -> list[bytes]:
    reader = EventReader()
    bounds = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    found = [data for start, end in pairwise(bounds) for data in reader.feed(stream[start:end])]
    return [*found, *reader.close()]


@given(
    events=st.lists(st.lists(LINES, min_size=1, max_size=3), max_size=5),
    noise=st.lists(st.sampled_from([": ping", "event: delta", "id: 7", "retry: 3"]), max_size=3),
    ending=st.sampled_from(["\n", "\r\n", "\r"]),
    mark=st.booleans(),
    cuts=st.lists(st.integers(min_value=0), max_size=30),
)
def test_events_are_the_same_however_they_are_cut(
    events: list[list[str]], noise: list[str], ending: str, mark: bool, cuts: list[int]
) -> None:
    blocks = [ending.join([*noise, *(f"data: {line}" for line in lines)]) + 2 * ending for lines in events]
    comment = f": hello{2 * ending}"
    stream = (b"\xef\xbb\xbf" if mark else b"") + (comment + comment.join(blocks)).encode()
    assert read(stream, cuts) == ["\n".join(lines).encode() for lines in events]


def test_a_space_after_the_colon_is_not_needed() -> None:
    assert read(b"data:a\ndata\ndata: b\n\n", []) == [b"a\n\nb"]


def test_an_event_without_an_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 100)
    reader = EventReader()
    reader.feed(b"data: " + b"a" * 94)
    with pytest.raises(UpstreamFailed):
        reader.feed(b"a")
