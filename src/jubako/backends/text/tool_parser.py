"""Reads tool calls out of a model's text while it comes, in the form of Hermes and Qwen::

    <tool_call>
    {"name": "get_weather", "arguments": {"city": "Paris"}}
    </tool_call>

A call written in this order is given out as it is written: first its name, then its arguments piece by piece. A call written in
another order is given out when it is complete, and what is no call after all is text. How the text is cut into pieces makes no
difference to the outcome.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from msgspec import Struct

from jubako.backends.text.stop import StopMatcher
from jubako.messages import ToolCallDelta

OPEN = "<tool_call>"
CLOSE = "</tool_call>"

_HEADER = re.compile(
    r"""\s*\{\s*"name"\s*:\s*("(?:[^"\\]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*")\s*,\s*"(?:arguments|parameters)"\s*:\s*(?=\{)"""
)


class Parsed(Struct, frozen=True):
    """What a piece of the model's text says."""

    text: str = ""
    calls: list[ToolCallDelta] = []


class ToolCallParser:
    """Turns a model's text into text and tool calls.

    Each state is a method that consumes some of `_buffer` and says whether it got on to another state: in text, in a call before
    its arguments, in the arguments, in a call after them, and between calls.
    """

    def __init__(self) -> None:
        self.calls = 0
        """Calls begun so far."""
        self._state: Callable[[], bool] = self._in_text
        self._buffer = ""
        self._opening = StopMatcher([OPEN])
        self._arguments = _ObjectScanner()
        self._text: list[str] = []
        self._deltas: list[ToolCallDelta] = []

    @property
    def in_call(self) -> bool:
        """Whether a call has begun and its arguments are not complete."""
        return self._state in (self._in_head, self._in_arguments)

    def feed(self, piece: str) -> Parsed:
        self._buffer += piece
        while self._buffer and self._state():
            pass
        return self._take()

    def flush(self, *, truncated: bool) -> Parsed:
        """The text is over. With `truncated` it was cut short: the torn beginning of a call is dropped, as it is not text."""
        if self._state == self._in_text:
            self._text.append(self._opening.flush())
        elif self._state == self._in_head and not self._emit_whole(self._buffer) and not truncated:
            self._text.append(OPEN + self._buffer)
        self._buffer = ""
        return self._take()

    def _take(self) -> Parsed:
        parsed = Parsed("".join(self._text), self._deltas)
        self._text, self._deltas = [], []
        return parsed

    def _in_text(self) -> bool:
        self._text.append(self._opening.feed(self._buffer))
        self._buffer = ""
        if self._opening.matched is None:
            return False
        self._buffer = self._opening.rest
        self._opening = StopMatcher([OPEN])
        self._state = self._in_head
        return True

    def _in_head(self) -> bool:
        close = self._buffer.find(CLOSE)
        header = _HEADER.match(self._buffer, 0, len(self._buffer) if close < 0 else close)
        if header is not None:
            self._begin(json.loads(header[1], strict=False))
            self._buffer = self._buffer[header.end() :]
            self._arguments = _ObjectScanner()
            self._state = self._in_arguments
            return True
        if close < 0:
            return False
        body, self._buffer = self._buffer[:close], self._buffer[close + len(CLOSE) :]
        if self._emit_whole(body):
            self._state = self._between_calls
        else:
            self._text.append(OPEN + body + CLOSE)
            self._state = self._in_text
        return True

    def _in_arguments(self) -> bool:
        end = self._arguments.scan(self._buffer)
        self._deltas.append(ToolCallDelta(self.calls - 1, arguments=self._buffer[:end]))
        self._buffer = self._buffer[end:]
        if self._arguments.complete:
            self._state = self._in_tail
        return self._arguments.complete

    def _in_tail(self) -> bool:
        close = self._buffer.find(CLOSE)
        if close < 0:
            self._buffer = self._buffer[-len(CLOSE) :]
            return False
        self._buffer = self._buffer[close + len(CLOSE) :]
        self._state = self._between_calls
        return True

    def _between_calls(self) -> bool:
        # The line breaks between calls belong to the form.
        self._buffer = self._buffer.lstrip()
        if self._buffer:
            self._state = self._in_text
        return bool(self._buffer)

    def _emit_whole(self, body: str) -> bool:
        call = _parse(body)
        if call is None:
            return False
        name, arguments = call
        self._begin(name)
        self._deltas.append(ToolCallDelta(self.calls - 1, arguments=json.dumps(arguments)))
        return True

    def _begin(self, name: str) -> None:
        # An escape may spell half a character, which no message can carry.
        name = name.encode("utf-8", "replace").decode()
        self._deltas.append(ToolCallDelta(self.calls, id=f"call_{uuid4().hex[:24]}", name=name))
        self.calls += 1


class _ObjectScanner:
    """Finds the end of a JSON object in text that comes in pieces."""

    def __init__(self) -> None:
        self.complete = False
        self._depth = 0
        self._in_string = False
        self._escaped = False

    def scan(self, text: str) -> int:
        """How much of `text` belongs to the object."""
        for position, character in enumerate(text):
            if self._in_string:
                self._step_in_string(character)
            elif character == '"':
                self._in_string = True
            elif character in "{[":
                self._depth += 1
            elif character in "}]":
                self._depth -= 1
                if self._depth == 0:
                    self.complete = True
                    return position + 1
            elif character == "<":
                # No JSON: the call was closed with its object open.
                self.complete = True
                return position
        return len(text)

    def _step_in_string(self, character: str) -> None:
        if self._escaped:
            self._escaped = False
        elif character == "\\":
            self._escaped = True
        elif character == '"':
            self._in_string = False


def _parse(body: str) -> tuple[str, dict[str, Any]] | None:
    try:
        call = json.loads(body, strict=False)
    except (ValueError, RecursionError):
        return None
    if not isinstance(call, dict):
        return None
    name, arguments = call.get("name"), call.get("arguments", call.get("parameters", {}))
    return (name, arguments) if isinstance(name, str) and isinstance(arguments, dict) else None
