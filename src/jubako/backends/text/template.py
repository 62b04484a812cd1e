"""Chat templates: Jinja, rendered as transformers renders it, so that a model's own template works as it is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import jinja2
from jinja2 import meta, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from jubako.errors import ConfigurationError, InvalidRequest
from jubako.messages import ImagePart, Message, TextPart, Tool, ToolCall

RESERVED = frozenset({"messages", "tools", "bos_token", "eos_token", "raise_exception", "strftime_now"})
"""Names in a template that a request can't set."""


class ChatTemplate:
    """One chat template.

    The role `developer` reaches a template as `system` unless the template names it: it is OpenAI's newer word for the same.

    Args:
        source: The Jinja text.
        bos_token: Text of the begin-of-sequence token.
        eos_token: Text of the end-of-sequence token.

    Raises:
        ConfigurationError: `source` is no Jinja template.
    """

    def __init__(self, source: str, *, bos_token: str = "", eos_token: str = "") -> None:
        environment = _environment()
        try:
            self._template = environment.from_string(source)
            variables = meta.find_undeclared_variables(environment.parse(source))
        except jinja2.TemplateSyntaxError as error:
            raise ConfigurationError(f"The chat template is no Jinja template: line {error.lineno}: {error.message}") from error
        self.source = source
        self.offers_tools = "tools" in variables
        """Whether the template tells the model of tools."""
        self._short_ids = "[TOOL_CALLS]" in source
        self._thinking = "thinking" if "message.thinking" in source else "reasoning_content"
        self._knows_developer = "developer" in source
        self._tokens = {"bos_token": bos_token, "eos_token": eos_token}

    def render(
        self, messages: Sequence[Message], *, tools: Sequence[Tool] = (), arguments: Mapping[str, Any] | None = None
    ) -> str:
        """The prompt that the model continues with its answer.

        Args:
            messages: The conversation.
            tools: What the model may call; only for templates that offer them.
            arguments: More variables, of the template's own making.

        Raises:
            InvalidRequest: the template refuses the conversation, or an argument has a name that is taken.
        """
        arguments = arguments or {}
        taken = RESERVED & arguments.keys()
        if taken:
            raise InvalidRequest(
                f"chat_template_kwargs can't set {', '.join(sorted(taken))}: the server does.", param="chat_template_kwargs"
            )
        variables: dict[str, Any] = {
            "messages": [self._message(index, message) for index, message in enumerate(messages)],
            "tools": [_tool(tool) for tool in tools] or None,
            "documents": None,
            "add_generation_prompt": True,
            **self._tokens,
            **arguments,
        }
        try:
            return self._template.render(variables)
        except jinja2.TemplateError as error:
            raise InvalidRequest(f"The model's chat template refuses this conversation: {error}", param="messages") from error
        except Exception as error:
            raise InvalidRequest(
                f"The model's chat template can't be filled with this conversation: {type(error).__name__}: {error}",
                param="messages",
            ) from error

    def _message(self, index: int, message: Message) -> dict[str, Any]:
        role = "system" if message.role == "developer" and not self._knows_developer else message.role
        rendered: dict[str, Any] = {"role": role, "content": text_of(message, index)}
        if message.name is not None:
            rendered["name"] = message.name
        if message.reasoning_content is not None:
            rendered[self._thinking] = message.reasoning_content
        if message.tool_calls:
            rendered["tool_calls"] = [_tool_call(call, self._id(call.id)) for call in message.tool_calls]
        if message.tool_call_id is not None:
            rendered["tool_call_id"] = self._id(message.tool_call_id)
        return rendered

    def _id(self, call_id: str) -> str:
        """As the template takes it: Mistral's refuse all but nine letters and digits, and calls may come from another model."""
        return "".join(filter(str.isalnum, call_id))[-9:].rjust(9, "0") if self._short_ids else call_id


def text_of(message: Message, index: int) -> str:
    """The message's content as one string.

    Raises:
        InvalidRequest: it has an image; `index` is the message's place in the conversation.
    """
    if message.content is None:
        return message.refusal or ""
    if isinstance(message.content, str):
        return message.content
    texts = []
    for position, part in enumerate(message.content):
        if isinstance(part, ImagePart):
            raise InvalidRequest(
                "This model reads text only; leave the image out or ask a model that reads images.",
                param=f"messages[{index}].content[{position}]",
            )
        texts.append(part.text if isinstance(part, TextPart) else part.refusal)
    return "".join(texts)


def _tool(tool: Tool) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.function.name}
    if tool.function.description is not None:
        function["description"] = tool.function.description
    function["parameters"] = tool.function.parameters or {"type": "object", "properties": {}}
    return {"type": "function", "function": function}


def _tool_call(call: ToolCall, call_id: str) -> dict[str, Any]:
    """With the arguments as an object, which is what templates expect; as text where they are no JSON."""
    try:
        arguments = json.loads(call.function.arguments or "{}")
    except ValueError:
        arguments = call.function.arguments
    return {"id": call_id, "type": "function", "function": {"name": call.function.name, "arguments": arguments}}


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols", _GenerationTag]
    )
    environment.filters["tojson"] = _tojson
    environment.globals["raise_exception"] = _raise_exception
    environment.globals["strftime_now"] = _strftime_now
    return environment


class _GenerationTag(Extension):
    """``{% generation %}...{% endgeneration %}`` marks what a model wrote, for training; for a prompt it means nothing."""

    tags = {"generation"}  # noqa: RUF012 - jinja2 declares it so

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _tojson(
    value: object,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """Without jinja2's escaping of HTML, which would change what the model reads."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _raise_exception(message: str) -> None:
    raise jinja2.TemplateError(message)


def _strftime_now(form: str) -> str:
    return datetime.now().strftime(form)
