"""The form of Llama 3.1 and later: the answer is a call, or several with semicolons between them, and no text::

    {"name": "get_weather", "parameters": {"city": "Paris"}}

``<|python_tag|>`` may stand in front. As an answer may be JSON too, an object is a call only if it names a function of the
request.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from jubako.backends.text.formats.call_format import CallFormat, some
from jubako.backends.text.formats.call_reader import JsonCallReader, State
from jubako.backends.text.formats.rules import Rules, pattern
from jubako.backends.text.grammar import parameters_of, quoted
from jubako.messages import Function

TAG = "<|python_tag|>"

_NAME = re.compile(r'\{\s*"name"\s*:\s*"([^"\\]*)"')


class Llama3JsonFormat(CallFormat):
    OPENING = TAG
    MARKERS = (TAG,)

    def reader(self, functions: Sequence[Function]) -> JsonCallReader:
        return Llama3JsonReader(frozenset(function.name for function in functions))

    def calls(self, rules: Rules, functions: Sequence[Function], *, parallel: bool, json_answer: bool = False) -> str:
        bodies = []
        for number, function in enumerate(functions):
            arguments = rules.json(f"arguments_{number}", parameters_of(function))
            # A terminal wins by its length: beside text it must be whole, and beside JSON cut as JSON is.
            words = ("{", '"name"', ": ", quoted(function.name), ", ", '"parameters"', ": ")
            opening = " ".join(map(quoted, words)) if json_answer else quoted("".join(words))
            bodies.append(rules.add(f"call_{number}", f'{opening} {arguments} "}}"'))
        return some('"; "', rules.add("call", " | ".join(bodies)), parallel=parallel)

    def bare(self, functions: Sequence[Function]) -> str:
        names = "|".join(pattern(function.name) for function in functions)
        return rf'\s*\{{\s*("type"\s*:\s*"function"\s*,\s*)?"name"\s*:\s*"({names})"(?s:.*)'


class Llama3JsonReader(JsonCallReader):
    """Args:
    names: Functions that may be called.
    """

    OPENINGS = (TAG,)

    def __init__(self, names: frozenset[str]) -> None:
        super().__init__()
        self._names = names
        self._state = self._before_object

    def _opened(self, opening: str) -> State:
        return self._before_object

    def _calls(self, name: str) -> bool:
        return name in self._names

    def _before_object(self) -> bool:
        self._take_space_as_lead()
        if not self._buffer:
            return False
        if not self._buffer.startswith("{"):
            return self._no_call()
        self._begin_object()
        return True

    def _in_object(self) -> bool:
        name = _NAME.match(self._buffer)
        if name is not None and not self._calls(name[1]):
            return self._no_call()
        return super()._in_object()

    def _after_object(self) -> bool:
        self._buffer = self._buffer.lstrip()
        if not self._buffer:
            return False
        if self._buffer.startswith(";"):
            self._take_as_lead(1)
            self._state = self._before_object
        else:
            self._state = self._in_text
        return True
