from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jubako.backends.text.stop import StopMatcher

from .cuts import cut_text

few_letters = st.text("ab\n", max_size=30)
stops = st.lists(st.text("ab\n", min_size=1, max_size=5), max_size=4)


def _expected(text: str, stops: list[str], include: bool) -> str:
    """Said another way: of all ends at which a stop string ends, the first; there, the longest."""
    for end in range(1, len(text) + 1):
        found = [stop for stop in stops if text[:end].endswith(stop)]
        if found:
            return text[:end] if include else text[: end - max(map(len, found))]
    return text


@given(cut_text(few_letters), stops, st.booleans())
def test_every_cut_gives_what_the_whole_gives(pieces: list[str], stops: list[str], include: bool) -> None:
    matcher = StopMatcher(stops, include=include)
    out = "".join([matcher.feed(piece) for piece in pieces] + [matcher.flush()])
    assert out == _expected("".join(pieces), stops, include)


@given(cut_text(few_letters), stops)
def test_nothing_is_given_out_that_may_become_a_stop_string(pieces: list[str], stops: list[str]) -> None:
    matcher = StopMatcher(stops)
    out = ""
    for piece in pieces:
        out += matcher.feed(piece)
        assert _expected("".join(pieces), stops, False).startswith(out)


@given(cut_text(few_letters), stops)
def test_nothing_is_held_back_longer_than_needed(pieces: list[str], stops: list[str]) -> None:
    matcher = StopMatcher(stops)
    seen, out = "", ""
    for piece in pieces:
        seen += piece
        out += matcher.feed(piece)
        if matcher.matched is None:
            held = seen[len(out) :]
            assert not held or any(stop.startswith(held) for stop in stops)


@given(cut_text(few_letters), stops)
def test_the_rest_is_what_follows_in_the_same_piece(pieces: list[str], stops: list[str]) -> None:
    matcher = StopMatcher(stops, include=True)
    out = ""
    for piece in pieces:
        out += matcher.feed(piece)
        if matcher.matched is not None:
            assert "".join(pieces).startswith(out + matcher.rest)
            return


@pytest.mark.parametrize(
    ("stops", "text", "expected"),
    [
        (["abcd", "bc"], "xabcd", "xa"),
        (["bc", "abc"], "xabc", "x"),
        (["aab"], "aaab", "a"),
        (["\n\n"], "one\ntwo\n\nthree", "one\ntwo"),
        (["🎉"], "party 🎉 on", "party "),
    ],
)
def test_overlapping_stop_strings(stops: list[str], text: str, expected: str) -> None:
    matcher = StopMatcher(stops)
    assert "".join(map(matcher.feed, text)) + matcher.flush() == expected
