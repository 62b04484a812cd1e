"""The form of Qwen3-Coder, in which each argument stands by itself::

    <tool_call>
    <function=get_weather>
    <parameter=city>
    Paris
    </parameter>
    </function>
    </tool_call>

Strings are written as they are, everything else as JSON; the function's schema says which is which. An argument is given out when
it is complete.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from jubako.backends.text.formats.call_format import CallFormat, some
from jubako.backends.text.formats.call_reader import CallReader, State
from jubako.backends.text.formats.rules import Rules
from jubako.backends.text.grammar import quoted
from jubako.backends.text.stop import StopMatcher
from jubako.errors import InvalidRequest
from jubako.messages import Function, ToolCallDelta

OPEN, CLOSE = "<tool_call>", "</tool_call>"
END_PARAMETER, END_FUNCTION = "</parameter>", "</function>"

_FUNCTION = re.compile(r"<function=([\w.-]{1,64})>")
_PARAMETER = re.compile(r"<parameter=([^>\n]{1,128})>")
_OBJECT_KEYS = {
    "type",
    "properties",
    "required",
    "additionalProperties",
    "title",
    "description",
    "$defs",
    "definitions",
    "$schema",
}
_PLAIN_KEYS = {"type", "title", "description", "default", "examples", "enum", "const", "minLength", "maxLength"}


class Qwen3CoderFormat(CallFormat):
    OPENING = OPEN
    MARKERS = (OPEN, CLOSE)

    def reader(self, functions: Sequence[Function]) -> CallReader:
        return Qwen3CoderReader({function.name: _properties(function) for function in functions})

    def calls(self, rules: Rules, functions: Sequence[Function], *, parallel: bool, json_answer: bool = False) -> str:
        close = rules.marker(CLOSE)
        bodies = []
        for number, function in enumerate(functions):
            parameters = " ".join(_parameters(rules, number, function))
            head, end = quoted(f"\n<function={function.name}>\n"), quoted(f"{END_FUNCTION}\n")
            bodies.append(rules.add(f"call_{number}", f"{head} {parameters} {end} {close}"))
        return some(f'"\\n" {rules.marker(OPEN)}', rules.add("call", " | ".join(bodies)), parallel=parallel)


def _properties(function: Function) -> dict[str, Any]:
    properties: dict[str, Any] = (function.parameters or {}).get("properties", {})
    return properties


def _parameters(rules: Rules, number: int, function: Function) -> list[str]:
    """An expression for each parameter, in the order of the schema."""
    schema = function.parameters or {}
    required = schema.get("required", [])
    if not schema.keys() <= _OBJECT_KEYS or not set(required) <= _properties(function).keys():
        raise InvalidRequest(
            f"This model writes the arguments of a function one by one, so the parameters of {function.name!r} must be an object "
            "with `properties`, all that are `required` among them, and nothing that combines schemas.",
            param="tools",
        )
    shared: dict[str, Any] = {key: schema[key] for key in ("$defs", "definitions") if key in schema}
    parameters = []
    for position, (name, own) in enumerate(_properties(function).items()):
        value = _value(rules, f"argument_{number}_{position}", own, shared)
        parameters.append(f"({quoted(f'<parameter={name}>' + chr(10))} {value}){'' if name in required else '?'}")
    return parameters


def _value(rules: Rules, name: str, schema: Any, shared: dict[str, Any]) -> str:
    end = f"\n{END_PARAMETER}\n"
    if not _is_plain(schema):
        whole = {**schema, **shared} if isinstance(schema, dict) else {}
        return f"{rules.json(name, whole)} {quoted(end)}"
    allowed = [schema["const"]] if "const" in schema else schema.get("enum")
    if allowed is not None:
        return f"({' | '.join(quoted(text) for text in allowed)}) {quoted(end)}"
    length = f"{{{schema.get('minLength', 0)},{schema.get('maxLength', '')}}}"
    return rules.add(name, f"/(?s:.{length})/", f"[suffix={quoted(end)}]")


def _is_plain(schema: object) -> bool:
    """Whether a value is written as it is: a string about which not too much is said."""
    return isinstance(schema, dict) and schema.get("type") == "string" and schema.keys() <= _PLAIN_KEYS


class Qwen3CoderReader(CallReader):
    """Args:
    properties: The schemas of each function's parameters.
    """

    OPENINGS = (OPEN,)

    def __init__(self, properties: Mapping[str, Mapping[str, Any]]) -> None:
        super().__init__()
        self._properties = properties
        self._function = ""
        self._parameter = ""
        self._written = 0
        self._open = False

    @property
    def in_call(self) -> bool:
        return self._open or super().in_call

    def _opened(self, opening: str) -> State:
        return self._before_function

    def _before_function(self) -> bool:
        self._take_space_as_lead()
        head = _FUNCTION.match(self._buffer)
        if head is None:
            return False if _may_become("<function=", self._buffer) else self._no_call()
        self._begin(head[1])
        self._consume(head.end())
        self._function, self._written, self._open = head[1], 0, True
        self._add("{")
        self._state = self._between_parameters
        return True

    def _between_parameters(self) -> bool:
        self._buffer = self._buffer.lstrip()
        head = _PARAMETER.match(self._buffer)
        if head is not None:
            self._parameter = head[1]
            self._lead = self._consume(head.end())
            self._state = self._in_parameter
            return True
        if self._buffer.startswith(END_FUNCTION):
            self._consume(len(END_FUNCTION))
            self._end_arguments()
            self._closing = StopMatcher([CLOSE])
            self._state = self._in_tail
            return True
        if _may_become("<parameter=", self._buffer) or END_FUNCTION.startswith(self._buffer):
            return False
        self._end_arguments()
        return self._no_call()

    def _in_parameter(self) -> bool:
        end = self._buffer.find(END_PARAMETER)
        if end < 0:
            return False
        text = self._consume(end + len(END_PARAMETER)).removesuffix(END_PARAMETER).removeprefix("\n").removesuffix("\n")
        self._lead = ""
        value = self._read(text)
        self._add(f"{', ' if self._written else ''}{json.dumps(self._parameter)}: {value}")
        self._written += 1
        self._state = self._between_parameters
        return True

    def _in_tail(self) -> bool:
        if self._skip() is None:
            return False
        self._state = self._between
        return True

    def _read(self, text: str) -> str:
        """The argument as JSON."""
        schema = self._properties.get(self._function, {}).get(self._parameter)
        if not _is_plain(schema):
            try:
                return json.dumps(json.loads(text, parse_constant=_refuse))
            except (ValueError, RecursionError):
                pass
        return json.dumps(text)

    def _add(self, arguments: str) -> None:
        self._deltas.append(ToolCallDelta(self._begun - 1, arguments=arguments))

    def _end_arguments(self) -> None:
        self._open = False
        self._add("}")


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _may_become(opening: str, text: str) -> bool:
    """Whether `text`, cut anywhere, can be the beginning of a tag that begins with `opening`."""
    return opening.startswith(text) or (text.startswith(opening) and len(text) < 200 and ">" not in text and "\n" not in text)
