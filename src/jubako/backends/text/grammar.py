"""Constraints as grammars: what the request wants, in the language of llguidance, which the engines share.

llguidance constrains by JSON Schema directly, and says before anything is generated whether a schema can be met. Its JSON is kept
on one line, because a small model that may write whitespace wherever JSON allows it sometimes writes nothing else.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec
from llguidance import LLMatcher
from llguidance.gbnf_to_lark import gbnf_to_lark

from jubako.errors import InvalidRequest
from jubako.messages import Constraint, Function, Grammar, JsonObject, JsonSchema

HEADER = "%llguidance {}\n"

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
            return f"{HEADER}start: {json_rule(_ANY_OBJECT)}\n"
        case JsonSchema(schema):
            return _checked(f"{HEADER}start: {json_rule(schema)}\n", "The JSON schema", "response_format.json_schema.schema")
        case Grammar(gbnf):
            return _checked(gbnf, "The grammar", "grammar") if gbnf.lstrip().startswith("%llguidance") else _bounded(gbnf)


def answer_rule(constraint: Constraint) -> str:
    """What `constraint` says, as the body of a rule in a larger grammar.

    Raises:
        InvalidRequest: the schema or grammar is not one, or nothing can meet it.
    """
    match constraint:
        case JsonObject():
            return json_rule(_ANY_OBJECT)
        case JsonSchema(schema):
            constrain(constraint)
            return json_rule(schema)
        case Grammar(text):
            rule = f"%lark {{\n{_lark(text)}\n}}"
            _checked(f"{HEADER}start: answer\nanswer: {rule}\n", "The grammar", "grammar")
            return rule


def check_parameters(position: int, function: Function) -> None:
    """Tool number `position` of the request is `function`.

    Raises:
        InvalidRequest: its parameters are no JSON Schema that can be met.
    """
    grammar = f"{HEADER}start: {json_rule(parameters_of(function))}\n"
    _checked(grammar, f"The parameters of the function {function.name!r}", f"tools[{position}].function.parameters")


def parameters_of(function: Function) -> dict[str, Any]:
    """Arguments are always an object, whatever the schema leaves open."""
    if function.parameters is None:
        return {"type": "object", "properties": {}, "additionalProperties": False}
    return {"type": "object", **function.parameters}


def json_rule(schema: dict[str, Any]) -> str:
    """JSON on one line that `schema` accepts, as the body of a rule."""
    try:
        return f"%json {_json.encode({**schema, 'x-guidance': _LAYOUT}).decode()}"
    except RecursionError:
        raise InvalidRequest("The JSON schema is nested too deeply.", param="response_format.json_schema.schema") from None


def quoted(value: str) -> str:
    """`value` in double quotes, as JSON and Lark write it."""
    return _json.encode(value).decode()


def _lark(grammar: str) -> str:
    """`grammar`, in GBNF or in llguidance's Lark, as Lark without a header."""
    text = grammar.lstrip()
    if text.startswith("%llguidance"):
        return text.partition("\n")[2]
    try:
        return gbnf_to_lark(_bounded(grammar)).removeprefix("%llguidance {}")
    except InvalidRequest:
        raise
    except Exception as error:
        raise InvalidRequest(f"The grammar can't be used: {_reason(str(error))}.", param="grammar") from None


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
