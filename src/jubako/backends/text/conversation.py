"""How one model is talked with: its chat templates, and the form in which it answers each of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from jubako.backends.text.formats.answer import AnswerFormat
from jubako.backends.text.formats.choice import answer_format, calls_shown
from jubako.backends.text.template import ChatTemplate
from jubako.backends.text.tools import spell_out
from jubako.errors import ConfigurationError
from jubako.messages import Message, Tool

Templates = str | Mapping[str, str]
"""One chat template, or several by name: ``default``, and ``tool_use`` for conversations with tools."""


class Conversation:
    """The chat template or templates of one model.

    Args:
        templates: None of them empty.
        tool_call_parser: The form in which the model calls tools; None takes it from the template.
        reasoning_parser: The form in which the model marks its reasoning; None takes it from the template, "" has none.

    Raises:
        ConfigurationError: a template is no Jinja template, or there is no such form.
    """

    def __init__(
        self,
        templates: Templates,
        *,
        bos_token: str = "",
        eos_token: str = "",
        tool_call_parser: str | None = None,
        reasoning_parser: str | None = None,
    ) -> None:
        named = {"default": templates} if isinstance(templates, str) else dict(templates)
        if not named:
            raise ConfigurationError("The model has no chat template under any name.")

        def turn(source: str) -> _Turn:
            template = ChatTemplate(source, bos_token=bos_token, eos_token=eos_token)
            return _turn(template, tool_call_parser, reasoning_parser)

        plain = named.get("default", next(iter(named.values())))
        self._plain = turn(plain)
        self._with_tools = turn(named["tool_use"]) if "tool_use" in named else self._plain

    @property
    def markers(self) -> frozenset[str]:
        """All strings that tell the forms of answers."""
        return self._plain.form.markers | self._with_tools.form.markers

    def form(self, tools: Sequence[Tool]) -> AnswerFormat:
        """The form of an answer in a conversation with `tools`."""
        return (self._with_tools if tools else self._plain).form

    def render(self, messages: Sequence[Message], tools: Sequence[Tool] = (), arguments: Mapping[str, Any] | None = None) -> str:
        """The prompt that the model continues with its answer.

        Raises:
            InvalidRequest: the template refuses the conversation, or an argument has a name that is taken.
        """
        turn = self._with_tools if tools else self._plain
        if turn.spells_out:
            return turn.template.render(spell_out(messages, tools), arguments=arguments)
        return turn.template.render(messages, tools=tools, arguments=arguments)


class _Turn(Struct, frozen=True):
    """`spells_out` says that the template knows nothing of tools, so that the model is told of them as text."""

    template: ChatTemplate
    form: AnswerFormat
    spells_out: bool


def _turn(template: ChatTemplate, tool_call_parser: str | None, reasoning_parser: str | None) -> _Turn:
    spells_out = not template.offers_tools or (tool_call_parser is None and calls_shown(template.source) is None)
    if not template.offers_tools and tool_call_parser not in (None, "hermes"):
        raise ConfigurationError(
            "The chat template offers no tools, so the model is told to call them in the form of Hermes, but tool_call_parser "
            f"is {tool_call_parser!r}. Leave it out, or give the entry a `chat_template` that offers tools."
        )
    form = answer_format(template.source, tool_call_parser=tool_call_parser, reasoning_parser=reasoning_parser)
    return _Turn(template, form, spells_out)
