"""The forms of Mistral's models, the older and the newer one::

    [TOOL_CALLS] [{"name": "get_weather", "arguments": {"city": "Paris"}}]
    [TOOL_CALLS]get_weather[ARGS]{"city": "Paris"}

Ids of calls are nine letters and digits: the templates refuse others.
"""

from __future__ import annotations

import re
import secrets
import string
from collections.abc import Sequence

from jubako.backends.text.formats.call_format import CallFormat, some
from jubako.backends.text.formats.call_reader import CallReader, JsonCallReader, State
from jubako.backends.text.formats.rules import Rules
from jubako.backends.text.grammar import parameters_of, quoted
from jubako.messages import Function

CALLS = "[TOOL_CALLS]"
ID = "[CALL_ID]"
ARGS = "[ARGS]"
ID_LENGTH = 9

_NAMED = re.compile(r"\s{0,8}([\w.-]{1,64})(?:\[CALL_ID\](\w{1,64}))?(?:\[ARGS\])?\s{0,8}(?=\{)")
_MAY_BE_NAMED = re.compile(r"[\w.\-\[\]\s]{0,200}")


class MistralFormat(CallFormat):
    """Args:
    named: Whether the model writes the newer form. The reader reads both.
    """

    OPENING = CALLS
    MARKERS = (CALLS, ID, ARGS)

    def __init__(self, *, named: bool = False) -> None:
        self._named = named

    def reader(self, functions: Sequence[Function]) -> CallReader:
        return MistralReader()

    def calls(self, rules: Rules, functions: Sequence[Function], *, parallel: bool, json_answer: bool = False) -> str:
        bodies = []
        for number, function in enumerate(functions):
            arguments = rules.json(f"arguments_{number}", parameters_of(function))
            bodies.append(rules.add(f"call_{number}", self._call(rules, function, arguments)))
        call = rules.add("call", " | ".join(bodies))
        if self._named:
            return some(rules.marker(CALLS), call, parallel=parallel)
        return f'/ ?/ "[" {some(chr(34) + ", " + chr(34), call, parallel=parallel)} "]"'

    def _call(self, rules: Rules, function: Function, arguments: str) -> str:
        if self._named:
            call_id = f"({rules.marker(ID)} /[a-zA-Z0-9]{{{ID_LENGTH}}}/)?"
            return f"{quoted(function.name)} {call_id} {rules.marker(ARGS)} {arguments}"
        opening = quoted('{"name": ' + quoted(function.name) + ', "arguments": ')
        return f'{opening} {arguments} "}}"'


class MistralReader(JsonCallReader):
    OPENINGS = (CALLS,)

    def _opened(self, opening: str) -> State:
        return self._at_form

    def _at_form(self) -> bool:
        self._take_space_as_lead()
        if self._buffer.startswith("["):
            self._take_as_lead(1)
            self._state = self._before_object
        elif self._buffer:
            self._state = self._in_name
        return bool(self._buffer)

    def _in_name(self) -> bool:
        named = _NAMED.match(self._buffer)
        if named is not None:
            self._begin(named[1], named[2])
            self._consume(named.end())
            self._begin_arguments(self._between)
            return True
        return False if _MAY_BE_NAMED.fullmatch(self._buffer) else self._no_call()

    def _before_object(self) -> bool:
        self._take_space_as_lead()
        if not self._buffer:
            return False
        if not self._buffer.startswith("{"):
            return self._no_call()
        self._begin_object()
        return True

    def _after_object(self) -> bool:
        self._buffer = self._buffer.lstrip()
        if not self._buffer:
            return False
        if self._buffer.startswith(","):
            self._take_as_lead(1)
            self._state = self._before_object
        else:
            self._consume(1 if self._buffer.startswith("]") else 0)
            self._state = self._between
        return True

    def _new_id(self) -> str:
        return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(ID_LENGTH))
