"""Constraints as grammars: what the request wants, in the language of llguidance, which the engines share.

llguidance constrains by JSON Schema directly, and says before anything is generated whether a schema can be met. Its JSON is kept
on one line, because a small model that may write whitespace wherever JSON allows it sometimes writes nothing else.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec
from llguidance import LLMatcher

from jubako.errors import InvalidRequest
from jubako.messages import Constraint, Function, Grammar, JsonObject, JsonSchema

HEADER = "%llguidance {}\n"

MAX_PARALLEL_CALLS = 16
"""A model that can't stop calling tools is stopped here."""

MAX_GBNF_LENGTH = 64 * 1024
MAX_GBNF_DEPTH = 200

_LITERAL = re.compile(r'"(?:[^"\\]|\\.)*"|\[(?:[^\]\\]|\\.)*\]|#[^\n]*')
_PARENTHESIS = re.compile(r"[()]")
_LAYOUT = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
_ANY_OBJECT: dict[str, Any] = {"type": "object"}
_json = msgspec.json.Encoder()


def constrain(constraint: Constraint) -> str:
    """The grammar of an answer that must meet `constraint`.

    Raises:
        InvalidRequest: the schema or grammar is not one, or nothing can meet it.
    """
    match constraint:
        case JsonObject():
            return f"{HEADER}start: {_json_of(_ANY_OBJECT)}\n"
        case JsonSchema(schema):
            return _checked(f"{HEADER}start: {_json_of(schema)}\n", "The JSON schema", "response_format.json_schema.schema")
        case Grammar(gbnf):
            return _checked(gbnf, "The grammar", "grammar") if gbnf.lstrip().startswith("%llguidance") else _bounded(gbnf)


def tool_calls(functions: list[tuple[int, Function]], *, required: bool, parallel: bool, answer: Constraint | None) -> str:
    """The grammar of an answer that calls `functions`, in the form that :mod:`jubako.backends.text.tool_parser` reads.

    Args:
        functions: Those that may be called, each with its place in the request's ``tools``.
        required: Whether there must be a call; else there may be text instead, or text and then calls.
        parallel: Whether there may be several calls.
        answer: What an answer that calls nothing must meet; with it there is no text in front of calls.

    Raises:
        InvalidRequest: a function's parameters are no JSON Schema that can be met.
    """
    for position, function in functions:
        _check_parameters(position, function)
    more = f'("\\n<tool_call>" call){{0,{MAX_PARALLEL_CALLS - 1}}}' if parallel else ""
    calls = f'"<tool_call>" call {more}'
    if required:
        start = calls
    elif answer is not None:
        start = f"answer | {calls}"
    else:
        start = f"TEXT? | before call {more}"
    rules = [f"start: {start}", "call: " + " | ".join(f"call_{i}" for i in range(len(functions)))]
    for i, (_, function) in enumerate(functions):
        opening = _json.encode("\n" + '{"name": ' + _text(function.name) + ', "arguments": ').decode()
        rules.append(f'call_{i}: {opening} arguments_{i} "}}\\n</tool_call>"')
        rules.append(f"arguments_{i}: {_json_of(_parameters(function))}")
    if not required and answer is None:
        rules.append('before[suffix="<tool_call>"]: /(?s:.*)/')
        rules.append("TEXT: /(?s:.+)/ & ~/(?s:.*)<tool_call>(?s:.*)/")
    if not required and answer is not None:
        rules.append(f"answer: {_json_of(_answer_schema(answer))}")
    return HEADER + "\n".join(rules) + "\n"


def _answer_schema(answer: Constraint) -> dict[str, Any]:
    match answer:
        case JsonObject():
            return _ANY_OBJECT
        case JsonSchema(schema):
            constrain(answer)
            return schema
        case Grammar():
            raise InvalidRequest(
                "A grammar and tools exclude each other: the grammar decides the whole answer. Leave one of them out, "
                'or set `tool_choice` to "none".',
                param="grammar",
            )


def _check_parameters(position: int, function: Function) -> None:
    grammar = f"{HEADER}start: {_json_of(_parameters(function))}\n"
    _checked(grammar, f"The parameters of the function {function.name!r}", f"tools[{position}].function.parameters")


def _parameters(function: Function) -> dict[str, Any]:
    """Arguments are always an object, whatever the schema leaves open."""
    if function.parameters is None:
        return {"type": "object", "properties": {}, "additionalProperties": False}
    return {"type": "object", **function.parameters}


def _json_of(schema: dict[str, Any]) -> str:
    try:
        return f"%json {_json.encode({**schema, 'x-guidance': _LAYOUT}).decode()}"
    except RecursionError:
        raise InvalidRequest("The JSON schema is nested too deeply.", param="response_format.json_schema.schema") from None


def _text(value: str) -> str:
    return _json.encode(value).decode()


def _bounded(gbnf: str) -> str:
    """`gbnf`, if there is one within what llama.cpp survives, which parses by recursion. Its syntax the engine checks."""
    if not gbnf.strip():
        raise InvalidRequest("The grammar is empty; it needs a rule `root`.", param="grammar")
    if len(gbnf) > MAX_GBNF_LENGTH:
        raise InvalidRequest(f"The grammar has {len(gbnf)} characters, of at most {MAX_GBNF_LENGTH}.", param="grammar")
    depth = deepest = 0
    for parenthesis in _PARENTHESIS.findall(_LITERAL.sub("", gbnf)):
        depth += 1 if parenthesis == "(" else -1
        deepest = max(deepest, depth)
    if deepest > MAX_GBNF_DEPTH:
        raise InvalidRequest(f"The grammar nests parentheses {deepest} deep, of at most {MAX_GBNF_DEPTH}.", param="grammar")
    return gbnf


def _checked(grammar: str, what: str, param: str) -> str:
    problem = LLMatcher.validate_grammar(grammar, None)
    if problem:
        raise InvalidRequest(f"{what} can't be used: {_reason(problem)}.", param=param)
    return grammar


def _reason(problem: str) -> str:
    """llguidance's complaint on one line, without its excerpt of a grammar that the caller never saw."""
    complaint = problem.split("\n   1 | ", 1)[0].rsplit("failed to compile JSON schema: ", 1)[-1]
    if "coerce_one_of" in complaint:
        return "the alternatives of a oneOf overlap, so that one of them can't be told from another; use anyOf"
    return " ".join(complaint.split()).rstrip(".")
