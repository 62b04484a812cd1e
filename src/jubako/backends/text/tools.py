"""Tools: which may be called, and how a model whose template knows nothing of them is told.

The form is that of Hermes, which many models have seen: tools are listed in the system message, a call is JSON in
``<tool_call>``, and a tool's answer comes back in ``<tool_response>``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import msgspec

from jubako.backends.text.formats.answer import Wanted
from jubako.backends.text.grammar import check_parameters
from jubako.backends.text.template import text_of
from jubako.errors import InvalidRequest
from jubako.messages import ChatRequest, Function, Grammar, Message, NamedTool, Tool, ToolCall

_INSTRUCTIONS = """\
You may call one or more functions to assist with the user query.

You are provided with function signatures within <tools></tools> XML tags:
<tools>
{tools}
</tools>

For each function call, return a json object with function name and arguments within <tool_call></tool_call> XML tags:
<tool_call>
{{"name": <function-name>, "arguments": <args-json-object>}}
</tool_call>"""

_json = msgspec.json.Encoder()


def callable_tools(request: ChatRequest) -> list[Tool]:
    """The tools that the answer may call: none, all, or the one that is named.

    Raises:
        InvalidRequest: `tool_choice` asks for a tool that is not there, or two tools have one name.
    """
    names = [tool.function.name for tool in request.tools]
    for position, name in enumerate(names):
        if name in names[:position]:
            raise InvalidRequest(
                f"There are two functions named {name!r}; give each its own name.", param=f"tools[{position}].function.name"
            )
    choice = request.tool_choice
    if isinstance(choice, NamedTool):
        named = [tool for tool in request.tools if tool.function.name == choice.function.name]
        if not named:
            known = f"it has: {', '.join(names)}" if names else "it has no tools"
            raise InvalidRequest(
                f"tool_choice names the function {choice.function.name!r}, which is not among the request's tools; {known}.",
                param="tool_choice",
            )
        return named
    if choice == "required" and not names:
        raise InvalidRequest('tool_choice is "required", but the request has no tools.', param="tool_choice")
    return [] if choice == "none" else request.tools


def wanted_of(request: ChatRequest, tools: Sequence[Tool]) -> Wanted:
    """What the answer must be, so that every call of one of `tools` is valid.

    Raises:
        InvalidRequest: a function's parameters are no JSON Schema that can be met, or the request has tools and a grammar.
    """
    for position, tool in enumerate(request.tools):
        if tool in tools:
            check_parameters(position, tool.function)
    if tools and isinstance(request.constraint, Grammar):
        raise InvalidRequest(
            "A grammar and tools exclude each other: the grammar decides the whole answer. Leave one of them out, "
            'or set `tool_choice` to "none".',
            param="grammar",
        )
    named = isinstance(request.tool_choice, NamedTool)
    return Wanted(
        functions=[tool.function for tool in tools],
        required=bool(tools) and (named or request.tool_choice == "required"),
        parallel=request.parallel_tool_calls and not named,
        constraint=request.constraint,
    )


def spell_out(messages: Sequence[Message], tools: Sequence[Tool]) -> list[Message]:
    """The conversation without anything that a plain template does not know: tools, calls and their answers as text."""
    spelled: list[Message] = []
    answers: list[str] = []
    for index, message in enumerate(messages):
        if message.role == "tool":
            answers.append(f"<tool_response>\n{text_of(message, index)}\n</tool_response>")
            continue
        _flush(answers, spelled)
        spelled.append(_with_calls_as_text(message, index) if message.tool_calls else message)
    _flush(answers, spelled)
    return _with_instructions(spelled, tools) if tools else spelled


def _flush(answers: list[str], spelled: list[Message]) -> None:
    if answers:
        spelled.append(Message(role="user", content="\n".join(answers)))
        answers.clear()


def _with_calls_as_text(message: Message, index: int) -> Message:
    calls = [_call_text(call) for call in message.tool_calls or ()]
    said = text_of(message, index)
    return msgspec.structs.replace(message, content="\n".join([said, *calls] if said else calls), tool_calls=None)


def _with_instructions(messages: list[Message], tools: Sequence[Tool]) -> list[Message]:
    instructions = _INSTRUCTIONS.format(tools="\n".join(_signature(tool.function) for tool in tools))
    if messages and messages[0].role in ("system", "developer"):
        first = messages[0]
        content = f"{text_of(first, 0)}\n\n{instructions}"
        return [msgspec.structs.replace(first, content=content), *messages[1:]]
    return [Message(role="system", content=instructions), *messages]


def _signature(function: Function) -> str:
    return _json.encode({"type": "function", "function": function}).decode()


def _call_text(call: ToolCall) -> str:
    try:
        arguments: object = json.loads(call.function.arguments or "{}")
    except ValueError:
        arguments = call.function.arguments
    body = json.dumps({"name": call.function.name, "arguments": arguments}, ensure_ascii=False)
    return f"<tool_call>\n{body}\n</tool_call>"
