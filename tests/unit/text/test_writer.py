from __future__ import annotations

import math
from typing import Literal

from hypothesis import given
from hypothesis import strategies as st

from jubako.backends.text.engine import Piece
from jubako.backends.text.formats.hermes import HermesReader
from jubako.backends.text.formats.reader import PlainReader
from jubako.backends.text.writer import ChoiceWriter
from jubako.messages import Choice, Delta, GenerateResult, TokenLogprob

from .cuts import cut_text

CALL = '<tool_call>\n{"name": "f", "arguments": {"a": 1}}\n</tool_call>'


def _write(
    pieces: list[str],
    *,
    stop: list[str] | None = None,
    include: bool = False,
    tools: bool = False,
    reason: Literal["stop", "length"] = "stop",
) -> Choice:
    writer = ChoiceWriter(0, stop or [], include_stop=include, reader=HermesReader() if tools else PlainReader())
    deltas: list[Delta] = []
    for number, text in enumerate([*pieces, ""]):
        last = number == len(pieces)
        logprobs = [] if last else [TokenLogprob(text, -math.log(2), list(text.encode()), [], number)]
        piece = Piece(text, number, 1, logprobs=logprobs, finish_reason=reason if last else None)
        if (delta := writer.write(piece)) is not None:
            deltas.append(delta)
        if writer.finished:
            break
    assert [delta.finish_reason is not None for delta in deltas].index(True) == len(deltas) - 1
    (choice,) = GenerateResult.from_events(deltas).choices
    return choice


@given(cut_text(st.text("ab", max_size=12)), st.booleans())
def test_log_probabilities_are_those_of_the_tokens_whose_text_is_given_out(pieces: list[str], include: bool) -> None:
    pieces = [piece for piece in pieces if piece]
    choice = _write(pieces, stop=["bab"], include=include)
    tokens = [logprob.token for logprob in choice.logprobs]
    assert tokens == pieces[: len(tokens)]
    assert "".join(tokens).startswith(choice.text)
    assert len("".join(tokens[:-1])) < len(choice.text) or not tokens
    assert choice.finish_reason == "stop"


def test_finish_reasons() -> None:
    assert _write(["Hello"]).finish_reason == "stop"
    assert _write(["Hello"], reason="length").finish_reason == "length"
    assert _write(["Hel", "lo"], stop=["ll"], reason="length").finish_reason == "stop"
    assert _write([CALL], tools=True).finish_reason == "tool_calls"
    assert _write([CALL], tools=True, reason="length").finish_reason == "length"
    assert _write(["Hello"], tools=True).finish_reason == "stop"


def test_a_call_that_was_cut_is_no_complete_call() -> None:
    torn = CALL[: CALL.index("1")]
    assert _write([torn], tools=True, reason="length").finish_reason == "length"
    choice = _write([CALL], tools=True, stop=[": 1"])
    assert choice.finish_reason == "stop"
    assert choice.tool_calls[0].function.arguments == '{"a"'


def test_held_text_comes_out_at_the_end() -> None:
    assert _write(["a\n"], stop=["\n\n"]).text == "a\n"
