"""What a reader makes of a text that comes in pieces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from jubako.backends.text.formats.reader import Reader
from jubako.messages import Delta, GenerateResult


class Outcome(NamedTuple):
    """`calls` are pairs of name and arguments, as JSON text."""

    reasoning: str
    text: str
    calls: list[tuple[str, str]]
    in_call: bool


def read(reader: Reader, pieces: Sequence[str], *, truncated: bool = False) -> Outcome:
    """All that `reader` gives, checked for what holds of every reader."""
    deltas = []
    fed = 0
    for piece in [*pieces, None]:
        parsed = reader.flush(truncated=truncated) if piece is None else reader.feed(piece)
        fed += len(piece or "")
        assert 0 <= reader.held <= fed
        deltas.append(Delta(0, parsed.text, parsed.reasoning, parsed.calls))
    begun: list[int] = []
    for call in (call for delta in deltas for call in delta.tool_calls):
        assert (call.id is not None) == (call.name is not None) == (call.index not in begun)
        if call.index not in begun:
            begun.append(call.index)
        assert call.index == begun[-1]
    assert begun == list(range(reader.calls))
    (choice,) = GenerateResult.from_events(deltas).choices
    calls = [(call.function.name, call.function.arguments) for call in choice.tool_calls]
    return Outcome(choice.reasoning, choice.text, calls, reader.in_call)
