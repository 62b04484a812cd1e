"""The form of gpt-oss, in which everything is a message on a channel::

    <|channel|>analysis<|message|>The user wants...<|end|><|start|>assistant<|channel|>commentary to=functions.get_weather
    <|constrain|>json<|message|>{"city": "Paris"}<|call|>

    <|channel|>final<|message|>It is sunny.<|return|>

The channel ``analysis`` is reasoning, ``final`` is the answer, and what ``commentary`` says to nobody is text too. The recipient
of a call may stand before the channel. A call ends the answer, so there are no parallel ones.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from jubako.backends.text.formats.answer import AnswerFormat, Wanted
from jubako.backends.text.formats.call_reader import CallReader, State
from jubako.backends.text.formats.reader import Parsed, Reader
from jubako.backends.text.formats.rules import Rules
from jubako.backends.text.grammar import answer_rule, parameters_of, quoted
from jubako.backends.text.stop import StopMatcher
from jubako.messages import Function, ToolCallDelta

START, END, MESSAGE, CHANNEL = "<|start|>", "<|end|>", "<|message|>", "<|channel|>"
CONSTRAIN, RETURN, CALL = "<|constrain|>", "<|return|>", "<|call|>"
MARKERS = (START, END, MESSAGE, CHANNEL, CONSTRAIN, RETURN, CALL)

MAX_HEADER = 300
"""More characters than this before ``<|message|>`` are no header."""

_RECIPIENT = re.compile(r"to=(\S+?)(?=[\s<]|\Z)")
_CHANNEL = re.compile(r"<\|channel\|>\s*(\w+)")
_FUNCTIONS = "functions."


class HarmonyFormat(AnswerFormat):
    @property
    def markers(self) -> frozenset[str]:
        return frozenset(MARKERS)

    def reader(self, prompt: str, functions: Sequence[Function]) -> Reader:
        return HarmonyReader(calls=bool(functions))

    def grammar(self, prompt: str, wanted: Wanted, tokens: Mapping[str, int]) -> str | None:
        if not wanted.functions and wanted.constraint is None:
            return None
        rules = Rules(tokens)
        message, channel = rules.marker(MESSAGE), rules.marker(CHANNEL)
        said = f"{rules.until('said', END)} {rules.marker(START)} {quoted('assistant')}"
        rules.add("aside", f'{channel} ("analysis" | "commentary") {message} {said}')
        answers = [self._calls(rules, wanted.functions)] if wanted.functions else []
        if not wanted.required:
            final = answer_rule(wanted.constraint) if wanted.constraint else f"{rules.without('TEXT', MARKERS)}?"
            answers.append(f'{channel} "final" {message} {rules.add("answer", final)}')
        return rules.render(f"aside{{0,8}} ({' | '.join(answers)})")

    def _calls(self, rules: Rules, functions: Sequence[Function]) -> str:
        message, channel, constrain = rules.marker(MESSAGE), rules.marker(CHANNEL), rules.marker(CONSTRAIN)
        bodies = []
        for number, function in enumerate(functions):
            arguments = rules.json(f"arguments_{number}", parameters_of(function))
            recipient = quoted(f" to={_FUNCTIONS}{function.name}")
            form = f'(" "? {constrain} "json" | " json")?'
            heads = f'({channel} "commentary" {recipient} | {recipient} {channel} "commentary")'
            bodies.append(rules.add(f"call_{number}", f"{heads} {form} {message} {arguments}"))
        return f"({' | '.join(bodies)}) {rules.marker(CALL)}?"


class HarmonyReader(CallReader):
    """Args:
    calls: Whether there are functions to call; else a call is text.
    """

    OPENINGS = (CHANNEL, START)

    def __init__(self, *, calls: bool) -> None:
        super().__init__()
        self._calls_functions = calls
        self._reasoning: list[str] = []
        self._sink = self._text
        self._state = self._at_start

    @property
    def in_reasoning(self) -> bool:
        return self._state == self._in_body and self._sink is self._reasoning

    @property
    def held(self) -> int:
        return super().held + (self._closing.held if self._state == self._in_body else 0)

    def flush(self, *, truncated: bool) -> Parsed:
        if self._state == self._in_body:
            self._sink.append(self._closing.flush())
        return super().flush(truncated=truncated)

    def _take(self) -> Parsed:
        parsed = Parsed("".join(self._reasoning), "".join(self._text), self._deltas)
        self._reasoning.clear()
        self._text.clear()
        self._deltas = []
        return parsed

    def _opened(self, opening: str) -> State:
        return self._in_header

    def _at_start(self) -> bool:
        """The prompt has ended with the beginning of a header."""
        stripped = self._buffer.lstrip()
        if not stripped.startswith("to=") and "to=".startswith(stripped):
            return False
        self._state = self._in_header if stripped.startswith("to=") else self._in_text
        return True

    def _in_header(self) -> bool:
        position = self._buffer.find(MESSAGE, 0, MAX_HEADER)
        if position < 0:
            return False if len(self._buffer) < MAX_HEADER else self._no_call()
        header = self._lead + self._consume(position + len(MESSAGE))
        self._lead = ""
        recipient, channel = _RECIPIENT.search(header), _CHANNEL.search(header)
        self._closing = StopMatcher([END, CALL, RETURN, START])
        to = recipient[1] if recipient is not None else ""
        if self._calls_functions and to.startswith(_FUNCTIONS):
            self._begin(to.removeprefix(_FUNCTIONS))
            self._state = self._before_arguments
        else:
            aside = channel is not None and channel[1] == "analysis"
            self._sink = self._reasoning if aside else self._text
            self._state = self._in_body
        return True

    def _before_arguments(self) -> bool:
        self._buffer = self._buffer.lstrip()
        if self._buffer.startswith("{"):
            self._begin_arguments(self._in_tail, END, CALL, RETURN, START)
        elif self._buffer:
            self._state = self._in_other_arguments
        return bool(self._buffer)

    def _in_other_arguments(self) -> bool:
        """What is no JSON object is given out as it is."""
        arguments = self._closing.feed(self._buffer)
        if arguments:
            self._deltas.append(ToolCallDelta(self._begun - 1, arguments=arguments))
        return self._over()

    def _in_tail(self) -> bool:
        self._closing.feed(self._buffer)
        return self._over()

    def _in_body(self) -> bool:
        self._sink.append(self._closing.feed(self._buffer))
        return self._over()

    def _over(self) -> bool:
        """Whether the message is, and the next state."""
        self._buffer = self._closing.rest
        if self._closing.matched == START:
            self._lead = START
            self._state = self._in_header
        elif self._closing.matched is not None:
            self._state = self._between
        return self._closing.matched is not None
