"""What types can't say of messages and tools."""

from __future__ import annotations

from jubako.dataplane.limits import MAX_ITEMS, too_many_items
from jubako.errors import InvalidRequest
from jubako.messages import Message, NamedTool, Tool, ToolChoice


def check_messages(messages: list[Message]) -> None:
    """Each message has what its role needs, and there are not too many.

    Raises:
        InvalidRequest: otherwise; `param` says which.
    """
    _require_few(messages)
    for position, message in enumerate(messages):
        role = message.role
        if message.content is None and not _may_be_silent(message):
            hint = ", except where an assistant's message has 'tool_calls'" if role == "assistant" else ""
            raise InvalidRequest(f"A message of role {role!r} needs 'content'{hint}.", param=f"messages[{position}].content")
        if role == "tool" and message.tool_call_id is None:
            raise InvalidRequest(
                "A message of role 'tool' needs 'tool_call_id', the id of the call that it answers.",
                param=f"messages[{position}].tool_call_id",
            )
        if message.tool_calls is not None and role != "assistant":
            raise InvalidRequest(f"A message of role {role!r} can't have 'tool_calls'.", param=f"messages[{position}].tool_calls")


def _require_few(messages: list[Message]) -> None:
    left = MAX_ITEMS - len(messages)
    if left < 0:
        raise too_many_items("messages")
    for position, message in enumerate(messages):
        for field, items in (("content", message.content), ("tool_calls", message.tool_calls)):
            if isinstance(items, list):
                left -= len(items)
                if left < 0:
                    raise too_many_items(f"messages[{position}].{field}")


def _may_be_silent(message: Message) -> bool:
    return message.role == "assistant" and bool(message.tool_calls or message.refusal is not None)


def check_tools(tools: list[Tool] | None, choice: ToolChoice | None, parallel: bool | None) -> None:
    """The choice is among the tools, and nothing is said of tools that are not there.

    Raises:
        InvalidRequest: otherwise.
    """
    if tools is None:
        if choice is not None and choice != "none":
            raise InvalidRequest("'tool_choice' is only allowed when 'tools' are specified.", param="tool_choice")
        if parallel is not None:
            raise InvalidRequest("'parallel_tool_calls' is only allowed when 'tools' are specified.", param="parallel_tool_calls")
        return
    names = [tool.function.name for tool in tools]
    if len(set(names)) < len(names):
        raise InvalidRequest("Two of the 'tools' have the same name.", param="tools")
    if isinstance(choice, NamedTool) and choice.function.name not in names:
        raise InvalidRequest(
            f"'tool_choice' names the function {choice.function.name!r}, which is not among the 'tools'.", param="tool_choice"
        )
