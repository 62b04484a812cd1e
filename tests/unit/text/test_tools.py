from __future__ import annotations

from typing import Any, Literal

import pytest

from jubako.backends.text.grammar import constrain
from jubako.backends.text.tools import callable_tools, spell_out, wanted_of
from jubako.errors import InvalidRequest
from jubako.messages import (
    ChatRequest,
    Function,
    FunctionCall,
    Grammar,
    JsonSchema,
    Message,
    NamedFunction,
    NamedTool,
    Tool,
    ToolCall,
)

WEATHER = Tool(function=Function(name="get_weather", description="Weather", parameters={"properties": {"city": {}}}))
NOW = Tool(function=Function(name="now"))


def _request(**fields: Any) -> ChatRequest:
    return ChatRequest(model="m", messages=[Message(role="user", content="hi")], **{"tools": [WEATHER, NOW], **fields})


@pytest.mark.parametrize(("choice", "expected"), [("auto", [WEATHER, NOW]), ("required", [WEATHER, NOW]), ("none", [])])
def test_tool_choice(choice: Literal["auto", "none", "required"], expected: list[Tool]) -> None:
    assert callable_tools(_request(tool_choice=choice)) == expected


def test_a_named_function_is_the_only_one() -> None:
    assert callable_tools(_request(tool_choice=NamedTool(NamedFunction("now")))) == [NOW]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"tool_choice": NamedTool(NamedFunction("nope"))}, "'nope', which is not among .* it has: get_weather, now"),
        ({"tool_choice": "required", "tools": []}, "has no tools"),
    ],
)
def test_a_tool_choice_that_can_not_be_met(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequest, match=message) as caught:
        callable_tools(_request(**fields))
    assert caught.value.param == "tool_choice"


def test_two_functions_of_one_name_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="two functions named 'now'") as caught:
        callable_tools(_request(tools=[NOW, NOW]))
    assert caught.value.param == "tools[1].function.name"


def test_bad_parameters_are_named_by_their_place_in_the_request() -> None:
    bad = Tool(function=Function(name="bad", parameters={"type": "object", "properties": {"a": {"type": "nope"}}}))
    request = _request(tools=[WEATHER, bad], tool_choice=NamedTool(NamedFunction("bad")))
    with pytest.raises(InvalidRequest, match="'bad' can't be used: Invalid type: nope") as caught:
        wanted_of(request, callable_tools(request))
    assert caught.value.param == "tools[1].function.parameters"


def test_a_grammar_and_tools_exclude_each_other() -> None:
    request = _request(constraint=Grammar('root ::= "a"'))
    with pytest.raises(InvalidRequest, match="exclude each other"):
        wanted_of(request, callable_tools(request))


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({"type": "nope"}, "Invalid type: nope"),
        ({"$ref": "#/$defs/x"}, "Pointer '/\\$defs/x' does not exist"),
        ({"type": "string", "pattern": "a("}, "unclosed group"),
        ({"enum": []}, "Unsatisfiable schema"),
        ({"not": {}}, 'Unimplemented keys: \\["not"\\]'),
        ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, "use anyOf"),
    ],
)
def test_a_schema_that_can_not_be_met_is_refused_with_the_reason(schema: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidRequest, match=f"The JSON schema can't be used: .*{reason}") as caught:
        constrain(JsonSchema(schema))
    assert caught.value.param == "response_format.json_schema.schema"


@pytest.mark.parametrize("gbnf", ["", " \n", "root ::= " + "(" * 300 + '"a"' + ")" * 300, 'root ::= "a" # ' + "a" * 70_000])
def test_a_grammar_that_would_harm_the_engine_is_refused(gbnf: str) -> None:
    with pytest.raises(InvalidRequest, match="The grammar") as caught:
        constrain(Grammar(gbnf))
    assert caught.value.param == "grammar"


def test_parentheses_in_literals_do_not_nest() -> None:
    gbnf = 'root ::= "' + "(" * 300 + '\\"" [(' + "(" * 300 + "] # " + "(" * 300
    assert constrain(Grammar(gbnf)) == gbnf


def test_a_schema_nested_too_deeply_is_refused() -> None:
    schema: dict[str, Any] = {}
    for _ in range(5000):
        schema = {"type": "array", "items": schema}
    with pytest.raises(InvalidRequest, match="nested too deeply"):
        constrain(JsonSchema(schema))


def test_tools_are_spelled_out_for_a_plain_template() -> None:
    call = ToolCall(id="call_1", function=FunctionCall(name="now", arguments='{"zone": "é"}'))
    spelled = spell_out(
        [
            Message(role="developer", content="Be brief"),
            Message(role="user", content="What time is it?"),
            Message(role="assistant", content="Let me see.", tool_calls=[call, call]),
            Message(role="tool", content="12:00", tool_call_id="call_1"),
            Message(role="tool", content="13:00", tool_call_id="call_1"),
            Message(role="user", content="Thanks"),
        ],
        [WEATHER],
    )
    assert [message.role for message in spelled] == ["developer", "user", "assistant", "user", "user"]
    assert isinstance(spelled[0].content, str)
    assert spelled[0].content.startswith("Be brief\n\n")
    assert '"name":"get_weather"' in spelled[0].content
    text = '<tool_call>\n{"name": "now", "arguments": {"zone": "é"}}\n</tool_call>'
    assert spelled[2].content == f"Let me see.\n{text}\n{text}"
    assert spelled[3].content == "<tool_response>\n12:00\n</tool_response>\n<tool_response>\n13:00\n</tool_response>"


def test_without_a_system_message_there_is_one() -> None:
    (first, second) = spell_out([Message(role="user", content="hi")], [NOW])
    assert (first.role, second.role) == ("system", "user")
