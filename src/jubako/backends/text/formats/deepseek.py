# ruff: noqa: RUF001, RUF002 - the tokens are spelled with other bars than ASCII's
"""The forms of DeepSeek V3 (and R1), in which arguments stand in a block of code, and of V3.1, in which they do not::

<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather
```json
{"city": "Paris"}
```<｜tool▁call▁end｜><｜tool▁calls▁end｜>

<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>get_weather<｜tool▁sep｜>{"city": "Paris"}<｜tool▁call▁end｜><｜tool▁calls▁end｜>
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from jubako.backends.text.formats.call_format import CallFormat, some
from jubako.backends.text.formats.call_reader import CallReader, State
from jubako.backends.text.formats.rules import Rules
from jubako.backends.text.grammar import parameters_of, quoted
from jubako.messages import Function

CALLS_BEGIN = "<｜tool▁calls▁begin｜>"
CALLS_END = "<｜tool▁calls▁end｜>"
CALL_BEGIN = "<｜tool▁call▁begin｜>"
CALL_END = "<｜tool▁call▁end｜>"
SEPARATOR = "<｜tool▁sep｜>"

_FENCED = re.compile(rf"\s{{0,8}}function{re.escape(SEPARATOR)}\s{{0,8}}([\w.-]{{1,64}})\s{{0,8}}```json\s{{0,8}}(?=\{{)")
_PLAIN = re.compile(rf"\s{{0,8}}([\w.-]{{1,64}}){re.escape(SEPARATOR)}\s{{0,8}}(?=\{{)")
_MAY_BE_HEAD = re.compile(r"[^{]{0,250}")


class DeepSeekFormat(CallFormat):
    """Args:
    fenced: Whether the model writes the form of V3. The reader reads both.
    """

    OPENING = CALLS_BEGIN
    MARKERS = (CALLS_BEGIN, CALLS_END, CALL_BEGIN, CALL_END, SEPARATOR)

    def __init__(self, *, fenced: bool) -> None:
        self._fenced = fenced

    def reader(self, functions: Sequence[Function]) -> CallReader:
        return DeepSeekReader()

    def calls(self, rules: Rules, functions: Sequence[Function], *, parallel: bool, json_answer: bool = False) -> str:
        begin, separator, end = (rules.marker(marker) for marker in (CALL_BEGIN, SEPARATOR, CALL_END))
        bodies = []
        for number, function in enumerate(functions):
            arguments = rules.json(f"arguments_{number}", parameters_of(function))
            if self._fenced:
                name = quoted(f"{function.name}\n```json\n")
                body = f'{begin} "function" {separator} {name} {arguments} "\\n```" {end}'
            else:
                body = f"{begin} {quoted(function.name)} {separator} {arguments} {end}"
            bodies.append(rules.add(f"call_{number}", body))
        calls = some(rules.add("gap", r"/\n?/"), rules.add("call", " | ".join(bodies)), parallel=parallel)
        return f"{calls} {rules.marker(CALLS_END)}"


class DeepSeekReader(CallReader):
    OPENINGS = (CALLS_BEGIN, CALL_BEGIN)

    def _opened(self, opening: str) -> State:
        return self._before_call if opening == CALLS_BEGIN else self._in_head

    def _before_call(self) -> bool:
        if self._lead:
            self._take_space_as_lead()
        else:
            self._buffer = self._buffer.lstrip()
        if not self._buffer:
            return False
        if self._buffer.startswith(CALL_BEGIN):
            self._take_as_lead(len(CALL_BEGIN))
            self._state = self._in_head
            return True
        if self._buffer.startswith(CALLS_END) and self._begun:
            self._consume(len(CALLS_END))
            self._lead = ""
            self._state = self._between
            return True
        if CALL_BEGIN.startswith(self._buffer) or CALLS_END.startswith(self._buffer):
            return False
        return self._no_call()

    def _in_head(self) -> bool:
        head = _FENCED.match(self._buffer) or _PLAIN.match(self._buffer)
        if head is not None:
            self._begin(head[1])
            self._consume(head.end())
            self._begin_arguments(self._in_tail, CALL_END)
            return True
        return False if _MAY_BE_HEAD.fullmatch(self._buffer) else self._no_call()

    def _in_tail(self) -> bool:
        if self._skip() is None:
            return False
        self._state = self._before_call
        return True
