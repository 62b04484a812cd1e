"""Conversations as they come: turns, the tools that may be called in them, and the template's variables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from jubako.dataplane.any_json import json_object, require_few_values
from jubako.dataplane.conversation import check_messages, check_tools
from jubako.dataplane.limits import MAX_TOOLS
from jubako.errors import InvalidRequest
from jubako.grpc.v1.fields import mismatch, require, require_some
from jubako.messages import (
    ContentPart,
    Function,
    FunctionCall,
    ImagePart,
    ImageUrl,
    Message,
    NamedFunction,
    NamedTool,
    RefusalPart,
    TextPart,
    Tool,
    ToolCall,
    ToolChoice,
)
from jubako.protos import jubako_v1 as pb

if TYPE_CHECKING:
    from google.protobuf.struct_pb2 import Struct, Value

_ROLES: Final[dict[int, Literal["system", "developer", "user", "assistant", "tool"]]] = {
    pb.ROLE_SYSTEM: "system",
    pb.ROLE_DEVELOPER: "developer",
    pb.ROLE_USER: "user",
    pb.ROLE_ASSISTANT: "assistant",
    pb.ROLE_TOOL: "tool",
}
_DETAILS: Final[dict[int, Literal["low", "high"] | None]] = {
    pb.Image.DETAIL_UNSPECIFIED: None,
    pb.Image.DETAIL_LOW: "low",
    pb.Image.DETAIL_HIGH: "high",
}
_MODES: Final[dict[int, Literal["auto", "none", "required"]]] = {
    pb.ToolChoice.MODE_UNSPECIFIED: "auto",
    pb.ToolChoice.MODE_AUTO: "auto",
    pb.ToolChoice.MODE_NONE: "none",
    pb.ToolChoice.MODE_REQUIRED: "required",
}

_EXACT: Final = 2**53
"""Whole numbers below are exact as floating point."""


def messages(given: Sequence[pb.Message]) -> list[Message]:
    """
    Raises:
        InvalidRequest: there is none, or one of them lacks what its role needs.
    """
    require(given, "messages")
    turns = [_message(message, f"messages[{position}]") for position, message in enumerate(given)]
    check_messages(turns)
    return turns


def _message(given: pb.Message, param: str) -> Message:
    if (role := _ROLES.get(given.role)) is None:
        raise InvalidRequest(f"'{param}.role' must be one of the roles of the enumeration Role.", param=f"{param}.role")
    return Message(
        role=role,
        content=_content(given.content, f"{param}.content"),
        name=given.name or None,
        tool_calls=[ToolCall(call.id, FunctionCall(call.name, call.arguments)) for call in given.tool_calls] or None,
        tool_call_id=given.tool_call_id or None,
        reasoning_content=given.reasoning or None,
    )


def _content(given: Sequence[pb.ContentPart], param: str) -> str | list[ContentPart] | None:
    """One text is what OpenAI's API knows as a string."""
    if len(given) == 1 and given[0].WhichOneof("kind") == "text":
        return given[0].text
    return [_part(part, f"{param}[{position}]") for position, part in enumerate(given)] or None


def _part(given: pb.ContentPart, param: str) -> ContentPart:
    match given.WhichOneof("kind"):
        case "text":
            return TextPart(given.text)
        case "refusal":
            return RefusalPart(given.refusal)
        case "image":
            require(given.image.url, f"{param}.image.url")
            if given.image.detail not in _DETAILS:
                raise InvalidRequest(f"There is no such '{param}.image.detail'.", param=f"{param}.image.detail")
            return ImagePart(ImageUrl(given.image.url, _DETAILS[given.image.detail]))
        case _:
            raise InvalidRequest(f"{param!r} is empty. Set 'text', 'image' or 'refusal'.", param=param)


def tools(request: pb.ChatRequest) -> tuple[list[Tool], ToolChoice]:
    """The tools of a request, and which of them may or must be called.

    Raises:
        InvalidRequest: one is wrong, or the choice is not among them.
    """
    found = [_tool(tool, f"tools[{position}]") for position, tool in enumerate(request.tools)]
    if found:
        require_some(found, "tools", MAX_TOOLS)
    choice = _choice(request.tool_choice) if request.HasField("tool_choice") else None
    parallel = request.parallel_tool_calls if request.HasField("parallel_tool_calls") else None
    check_tools(found or None, choice, parallel)
    return found, choice or "auto"


def _tool(given: pb.Tool, param: str) -> Tool:
    function = {
        "name": given.name,
        "description": given.description or None,
        "parameters": json_object(given.parameters, f"{param}.parameters") if given.parameters else None,
        "strict": given.strict if given.HasField("strict") else None,
    }
    try:
        return Tool(msgspec.convert(function, Function))
    except msgspec.ValidationError as error:
        raise mismatch(error, param) from None


def _choice(given: pb.ToolChoice) -> ToolChoice:
    if given.WhichOneof("kind") == "name":
        return NamedTool(NamedFunction(given.name))
    if given.mode not in _MODES:
        raise InvalidRequest("'tool_choice.mode' must be one of the modes of the enumeration Mode.", param="tool_choice.mode")
    return _MODES[given.mode]


def template_variables(request: pb.ChatRequest) -> dict[str, Any]:
    """
    Raises:
        InvalidRequest: one is no number, or there are too many.
    """
    variables = _object(request.chat_template_kwargs, "chat_template_kwargs")
    require_few_values(variables, "chat_template_kwargs")
    return {"reasoning_effort": request.reasoning_effort, **variables} if request.HasField("reasoning_effort") else variables


def _object(given: Struct, param: str) -> dict[str, Any]:
    return {name: _value(given.fields[name], f"{param}.{name}") for name in sorted(given.fields)}


def _value(given: Value, param: str) -> object:
    match given.WhichOneof("kind"):
        case "number_value":
            return _number(given.number_value, param)
        case "string_value":
            return given.string_value
        case "bool_value":
            return given.bool_value
        case "struct_value":
            return _object(given.struct_value, param)
        case "list_value":
            return [_value(value, f"{param}[{position}]") for position, value in enumerate(given.list_value.values)]
        case _:
            return None


def _number(value: float, param: str) -> int | float:
    if not math.isfinite(value):
        raise InvalidRequest(f"Invalid value for {param!r}: expected a finite number, but got {value}.", param=param)
    return int(value) if value.is_integer() and abs(value) < _EXACT else value
