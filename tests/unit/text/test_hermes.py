from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jubako.backends.text.formats.hermes import HermesReader
from jubako.backends.text.formats.reader import Parsed

from .cuts import cut_text

Outcome = tuple[str, list[tuple[str, str]]]

json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text('ab"\\{}[]<>é🎉', max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('ab"}', max_size=3), inner, max_size=3),
    max_leaves=6,
)
arguments = st.dictionaries(st.text('ab"}<', max_size=3), json_values, max_size=3)
names = st.sampled_from(["f", "get_weather", "a.b-c"])


@st.composite
def calls(draw: st.DrawFn) -> str:
    call = {"name": draw(names), "arguments": draw(arguments)}
    if draw(st.booleans()):
        call = dict(reversed(call.items()))
    indent = draw(st.sampled_from([None, 2]))
    return f"<tool_call>\n{json.dumps(call, indent=indent, ensure_ascii=draw(st.booleans()))}\n</tool_call>"


fragments = st.sampled_from(
    [
        "<tool_call>",
        "</tool_call>",
        "<tool",
        '{"name": "f", "arguments": ',
        '{"a": 1}',
        "}",
        '"',
        "\\",
        "\n",
        " ",
        "text",
        "<",
        "{",
    ]
)
anything = st.lists(fragments | calls(), max_size=8).map("".join)


def _read(pieces: list[str], *, truncated: bool = False) -> Outcome:
    parser = HermesReader()
    parts = [parser.feed(piece) for piece in pieces] + [parser.flush(truncated=truncated)]
    return _join(parts)


def _join(parts: list[Parsed]) -> Outcome:
    text = "".join(part.text for part in parts)
    calls: dict[int, tuple[str, str]] = {}
    for delta in (delta for part in parts for delta in part.calls):
        name, arguments = calls.get(delta.index, ("", ""))
        assert (delta.id is not None) == (delta.name is not None) == (delta.index not in calls)
        calls[delta.index] = (name + (delta.name or ""), arguments + delta.arguments)
    assert sorted(calls) == list(range(len(calls)))
    return text, [calls[index] for index in sorted(calls)]


@given(cut_text(anything), st.booleans())
def test_every_cut_gives_what_the_whole_gives(pieces: list[str], truncated: bool) -> None:
    assert _read(pieces, truncated=truncated) == _read(["".join(pieces)], truncated=truncated)


@given(st.text("abc <>\n", max_size=10).filter(lambda text: "<tool_call>" not in text), st.lists(st.tuples(names, arguments)))
def test_calls_come_out_as_they_were_written(text: str, written: list[tuple[str, dict[str, Any]]]) -> None:
    bodies = [json.dumps({"name": name, "arguments": arguments}) for name, arguments in written]
    said, read = _read(list(text + "\n".join(f"<tool_call>\n{body}\n</tool_call>" for body in bodies)))
    assert said == text
    assert [(name, json.loads(arguments)) for name, arguments in read] == written


def test_arguments_are_given_out_while_they_are_written() -> None:
    parser = HermesReader()
    parser.feed('<tool_call>\n{"name": "f", "arguments": {"city": "Pa')
    assert [delta.arguments for delta in parser.feed("ri").calls] == ["ri"]
    assert parser.in_call


@pytest.mark.parametrize(
    "text",
    [
        "<tool_call> is how a call begins",
        "<tool_call>\nnot json\n</tool_call>",
        '<tool_call>{"name": 3, "arguments": {}}</tool_call>',
        '<tool_call>{"name": "f", "arguments": "none"}</tool_call> and on',
    ],
)
def test_what_is_no_call_is_text(text: str) -> None:
    assert _read([text]) == (text, [])


def test_a_call_in_another_order_is_read() -> None:
    assert _read(['<tool_call>{"arguments": {"a": 1}, "name": "f"}</tool_call>']) == ("", [("f", '{"a": 1}')])


def test_a_closing_tag_inside_a_string_is_part_of_the_arguments() -> None:
    text = '<tool_call>\n{"name": "f", "arguments": {"a": "</tool_call>"}}\n</tool_call>'
    assert _read([text]) == ("", [("f", '{"a": "</tool_call>"}')])


def test_the_torn_beginning_of_a_call_is_dropped_when_the_text_was_cut() -> None:
    torn = 'Well.<tool_call>\n{"name": "f", "argu'
    assert _read([torn], truncated=True) == ("Well.", [])
    assert _read([torn]) == (torn, [])
