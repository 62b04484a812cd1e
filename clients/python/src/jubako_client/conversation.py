"""Conversations: turns, and the tools that may be called in them.

Dictionaries in the shapes of OpenAI's API are taken wherever :class:`Message` is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from jubako_client._protos import jubako_v1 as pb
from jubako_client.errors import InvalidRequest

__all__ = ["Conversation", "Message", "Tool", "ToolCall", "ToolChoice"]

Tool: TypeAlias = Mapping[str, object]
"""A function that the model may call: ``{"name": ..., "description": ..., "parameters": ...}``, where the parameters are a JSON
Schema, or the same as OpenAI wraps it: ``{"type": "function", "function": {...}}``."""

ToolChoice: TypeAlias = str | Mapping[str, object]
"""``"auto"``, ``"none"`` or ``"required"``, or ``{"name": ...}`` for a function that must be called, or that as OpenAI wraps
it."""


@dataclass(frozen=True)
class ToolCall:
    """A call of a tool by the model.

    Attributes:
        id: Names the call, so that the answer to it can say what it answers.
        name: The function's name.
        arguments: JSON text, exactly as the model wrote it.
    """

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, kw_only=True)
class Message:
    """One turn.

    Attributes:
        role: system, developer, user, assistant or tool.
        content: What is said: a text, or parts in OpenAI's shapes for text and images; None in a turn that only calls tools.
        name: Who says it, if there are several.
        tool_calls: The calls in a turn of the assistant's.
        tool_call_id: In a turn of a tool: the id of the call that it answers.
        reasoning: In a turn of the assistant's, for models that want it back.
    """

    role: str
    content: str | Sequence[Mapping[str, object]] | None = None
    name: str | None = None
    tool_calls: Sequence[ToolCall] = ()
    tool_call_id: str | None = None
    reasoning: str | None = None


Conversation: TypeAlias = str | Sequence[Message | Mapping[str, object]]
"""A text that the user says, or the turns so far."""

_ROLES: Final = {
    "system": pb.ROLE_SYSTEM,
    "developer": pb.ROLE_DEVELOPER,
    "user": pb.ROLE_USER,
    "assistant": pb.ROLE_ASSISTANT,
    "tool": pb.ROLE_TOOL,
}
_DETAILS: Final = {
    None: pb.Image.DETAIL_UNSPECIFIED,
    "auto": pb.Image.DETAIL_UNSPECIFIED,
    "low": pb.Image.DETAIL_LOW,
    "high": pb.Image.DETAIL_HIGH,
}
_MODES: Final = {
    "auto": pb.ToolChoice.MODE_AUTO,
    "none": pb.ToolChoice.MODE_NONE,
    "required": pb.ToolChoice.MODE_REQUIRED,
}
_TURN: Final = frozenset(("role", "content", "name", "tool_calls", "tool_call_id", "reasoning", "reasoning_content", "refusal"))


def turns(conversation: Conversation) -> list[pb.Message]:
    """
    Raises:
        InvalidRequest: a turn has a form that can't be sent.
    """
    if isinstance(conversation, str):
        return [_turn(Message(role="user", content=conversation), "messages[0]")]
    return [
        _turn(given if isinstance(given, Message) else _read(given, f"messages[{place}]"), f"messages[{place}]")
        for place, given in enumerate(conversation)
    ]


def tool(given: Tool, param: str) -> pb.Tool:
    """
    Raises:
        InvalidRequest: it is no function.
    """
    inner = _inner(given, param)
    _refuse_others(inner, frozenset(("name", "description", "parameters", "strict")), param)
    made = pb.Tool(name=_text(inner, "name", param), description=_text(inner, "description", param))
    if (parameters := inner.get("parameters")) is not None:
        made.parameters = parameters if isinstance(parameters, str) else json.dumps(parameters)
    if (strict := inner.get("strict")) is not None:
        made.strict = bool(strict)
    return made


def tool_choice(given: ToolChoice) -> pb.ToolChoice:
    """
    Raises:
        InvalidRequest: it is none.
    """
    if isinstance(given, str):
        if given not in _MODES:
            raise InvalidRequest(
                f"{given!r} must be one of {', '.join(_MODES)}, or a dictionary with a name.", param="tool_choice"
            )
        return pb.ToolChoice(mode=_MODES[given])
    return pb.ToolChoice(name=_text(_inner(given, "tool_choice"), "name", "tool_choice"))


def _read(given: Mapping[str, object], param: str) -> Message:
    _refuse_others(given, _TURN, param)
    content = given.get("content")
    if content is None and given.get("refusal"):
        content = [{"type": "refusal", "refusal": given["refusal"]}]
    if content is not None and not isinstance(content, (str, Sequence)):
        raise InvalidRequest("It must be a text, or a list of parts.", param=f"{param}.content")
    calls = given.get("tool_calls") or ()
    if not isinstance(calls, Sequence):
        raise InvalidRequest("It must be a list of calls.", param=f"{param}.tool_calls")
    return Message(
        role=_text(given, "role", param),
        content=content,
        name=_text(given, "name", param),
        tool_calls=[_call(call, f"{param}.tool_calls[{place}]") for place, call in enumerate(calls)],
        tool_call_id=_text(given, "tool_call_id", param),
        reasoning=_text(given, "reasoning", param) or _text(given, "reasoning_content", param),
    )


def _turn(given: Message, param: str) -> pb.Message:
    if given.role not in _ROLES:
        raise InvalidRequest(f"{given.role!r} must be one of {', '.join(_ROLES)}.", param=f"{param}.role")
    if given.content is None:
        content = []
    elif isinstance(given.content, str):
        content = [pb.ContentPart(text=given.content)]
    else:
        content = [_part(part, f"{param}.content[{place}]") for place, part in enumerate(given.content)]
    return pb.Message(
        role=_ROLES[given.role],
        content=content,
        name=given.name or "",
        tool_calls=[pb.ToolCall(id=call.id, name=call.name, arguments=call.arguments) for call in given.tool_calls],
        tool_call_id=given.tool_call_id or "",
        reasoning=given.reasoning or "",
    )


def _part(given: Mapping[str, object], param: str) -> pb.ContentPart:
    kind = given.get("type")
    if kind == "text":
        return pb.ContentPart(text=_text(given, "text", param))
    if kind == "refusal":
        return pb.ContentPart(refusal=_text(given, "refusal", param))
    if kind == "image_url":
        image = given.get("image_url")
        if isinstance(image, str):
            return pb.ContentPart(image=pb.Image(url=image))
        if isinstance(image, Mapping) and image.get("detail") in _DETAILS:
            return pb.ContentPart(image=pb.Image(url=_text(image, "url", param), detail=_DETAILS[image.get("detail")]))
    raise InvalidRequest(f"A part must be of type text, image_url or refusal, and hold one; this is {given!r}.", param=param)


def _call(given: object, param: str) -> ToolCall:
    if isinstance(given, ToolCall):
        return given
    if not isinstance(given, Mapping):
        raise InvalidRequest(f"It must be a ToolCall or a dictionary; it is {given!r}.", param=param)
    inner = _inner(given, param)
    return ToolCall(_text(given, "id", param), _text(inner, "name", param), _text(inner, "arguments", param))


def _inner(given: Mapping[str, object], param: str) -> Mapping[str, object]:
    """What OpenAI's API wraps as ``{"type": "function", "function": ...}``."""
    inner = given.get("function", given)
    if not isinstance(inner, Mapping):
        raise InvalidRequest("It must be a dictionary.", param=f"{param}.function")
    return inner


def _text(given: Mapping[str, object], name: str, param: str) -> str:
    """A text, empty where there is none."""
    value = given.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidRequest(f"It must be a text; it is {value!r}.", param=f"{param}.{name}")
    return value


def _refuse_others(given: Mapping[str, object], known: frozenset[str], param: str) -> None:
    if others := sorted(set(given) - known):
        raise InvalidRequest(
            f"There is no {others[0]!r} in it; there are {', '.join(sorted(known))}.", param=f"{param}.{others[0]}"
        )
