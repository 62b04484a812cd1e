"""The form of Hermes, Qwen 2.5 and Qwen 3::

    <tool_call>
    {"name": "get_weather", "arguments": {"city": "Paris"}}
    </tool_call>

A call written in this order is given out as it is written: first its name, then its arguments piece by piece. A call written in
another order is given out when it is complete.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from jubako.backends.text.formats.call_format import CallFormat, some
from jubako.backends.text.formats.call_reader import CallReader, State
from jubako.backends.text.formats.json_call import HEADER, parse_call
from jubako.backends.text.formats.rules import Rules
from jubako.backends.text.grammar import parameters_of, quoted
from jubako.messages import Function

OPEN = "<tool_call>"
CLOSE = "</tool_call>"


class HermesFormat(CallFormat):
    OPENING = OPEN
    MARKERS = (OPEN, CLOSE)

    def reader(self, functions: Sequence[Function]) -> CallReader:
        return HermesReader()

    def calls(self, rules: Rules, functions: Sequence[Function], *, parallel: bool, json_answer: bool = False) -> str:
        close = rules.marker(CLOSE)
        bodies = []
        for number, function in enumerate(functions):
            arguments = rules.json(f"arguments_{number}", parameters_of(function))
            opening = quoted('\n{"name": ' + quoted(function.name) + ', "arguments": ')
            bodies.append(rules.add(f"call_{number}", f"{opening} {arguments} {quoted('}' + chr(10))} {close}"))
        call = rules.add("call", " | ".join(bodies))
        return some(f'"\\n" {rules.marker(OPEN)}', call, parallel=parallel)


class HermesReader(CallReader):
    OPENINGS = (OPEN,)

    def _opened(self, opening: str) -> State:
        return self._in_head

    def _in_head(self) -> bool:
        close = self._buffer.find(CLOSE)
        header = HEADER.match(self._buffer, 0, len(self._buffer) if close < 0 else close)
        if header is not None:
            self._begin(json.loads(header[1], strict=False))
            self._consume(header.end())
            self._begin_arguments(self._in_tail, CLOSE)
            return True
        if close < 0:
            return False
        body = self._consume(close + len(CLOSE)).removesuffix(CLOSE)
        if self._whole(body):
            self._state = self._between
        else:
            self._lead += body + CLOSE
            self._no_call()
        return True

    def _in_tail(self) -> bool:
        if self._skip() is None:
            return False
        self._state = self._between
        return True

    def _whole(self, buffer: str) -> bool:
        call = parse_call(buffer)
        if call is not None:
            self._emit(*call)
        return call is not None
