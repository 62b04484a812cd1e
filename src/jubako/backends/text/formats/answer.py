"""How a model answers: its form of reasoning and its form of tool calls, put together.

The reasoning comes first, and a constraint holds for the answer after it: text, or calls, or text and then calls.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from msgspec import Struct

from jubako.backends.text.formats.call_format import CallFormat
from jubako.backends.text.formats.call_reader import CallReader
from jubako.backends.text.formats.reader import Parsed, PlainReader, Reader
from jubako.backends.text.formats.reasoning import ReasoningFormat, ReasoningReader
from jubako.backends.text.formats.rules import Rules, pattern
from jubako.backends.text.grammar import answer_rule, constrain
from jubako.messages import Constraint, Function


class Wanted(Struct, frozen=True):
    """What an answer must be.

    Attributes:
        functions: Those that it may call.
        required: Whether it must call one.
        parallel: Whether it may make several calls.
        constraint: What it must meet if it calls nothing; with it there is no text in front of calls.
    """

    functions: Sequence[Function] = ()
    required: bool = False
    parallel: bool = True
    constraint: Constraint | None = None


class AnswerFormat(ABC):
    """How one model answers."""

    @property
    @abstractmethod
    def markers(self) -> frozenset[str]:
        """Strings that tell the form, and so must stay visible even where they are special tokens."""

    @abstractmethod
    def reader(self, prompt: str, functions: Sequence[Function]) -> Reader:
        """A fresh reader of the text after `prompt`, which may call `functions`."""

    @abstractmethod
    def grammar(self, prompt: str, wanted: Wanted, tokens: Mapping[str, int]) -> str | None:
        """What the text after `prompt` must match, or None where anything will do.

        Args:
            tokens: Ids of those markers that are one token.
        """


class MarkedFormat(AnswerFormat):
    """Reasoning between two strings, and calls after an opening string."""

    def __init__(self, reasoning: ReasoningFormat | None, calls: CallFormat) -> None:
        self._reasoning = reasoning
        self._calls = calls

    @property
    def markers(self) -> frozenset[str]:
        reasoning = (self._reasoning.opening, self._reasoning.closing) if self._reasoning is not None else ()
        return frozenset((*reasoning, *self._calls.MARKERS))

    def reader(self, prompt: str, functions: Sequence[Function]) -> Reader:
        calls = self._calls.reader(functions) if functions else None
        if self._reasoning is None:
            return calls or PlainReader()
        return MarkedReader(ReasoningReader(self._reasoning, inside=self._reasoning.begins_inside(prompt)), calls)

    def grammar(self, prompt: str, wanted: Wanted, tokens: Mapping[str, int]) -> str | None:
        if not wanted.functions and wanted.constraint is None:
            return None
        reasons = self._reasoning is not None and self._reasoning.begins_inside(prompt) is not False
        if not wanted.functions and wanted.constraint is not None and not reasons:
            return constrain(wanted.constraint)
        rules = Rules(tokens)
        thinking = self._thinking(rules, prompt) if reasons else ""
        return rules.render(f"{thinking} {self._answer(rules, wanted, reasons=reasons)}".strip())

    def _thinking(self, rules: Rules, prompt: str) -> str:
        assert self._reasoning is not None
        gap = rules.add("GAP", r"/[ \n]{1,2}/")
        thought = f"{rules.until('thought', self._reasoning.closing)} {gap}?"
        opening = rules.marker(self._reasoning.opening)
        return f"{opening}? {thought}" if self._reasoning.begins_inside(prompt) else f"({opening} {thought})?"

    def _answer(self, rules: Rules, wanted: Wanted, *, reasons: bool) -> str:
        if not wanted.functions:
            assert wanted.constraint is not None
            return rules.add("answer", answer_rule(wanted.constraint))
        opening = self._calls.OPENING
        json_answer = wanted.constraint is not None
        several = self._calls.calls(rules, wanted.functions, parallel=wanted.parallel, json_answer=json_answer)
        calls = rules.add("calls", several)
        bare = self._calls.bare(wanted.functions)
        marked = f"{rules.marker(opening)}{'?' if bare else ''} {calls}"
        if wanted.required:
            return marked
        if wanted.constraint is not None:
            return f"({rules.add('answer', answer_rule(wanted.constraint))} | {marked})"
        return f"({self._text(rules, reasons=reasons, bare=bare)} | {marked})"

    def _text(self, rules: Rules, *, reasons: bool, bare: str | None) -> str:
        """Text, or text and then calls."""
        opening = self._calls.OPENING
        others = [bare] if bare else []
        if reasons and self._reasoning is not None:
            others.append(rf"\s*{pattern(self._reasoning.opening)}(?s:.*)")
        excluding = "|".join(f"({other})" for other in others)
        text = rules.without("TEXT", [opening], excluding)
        return f"{text}? | {rules.until('before', opening, excluding)} calls"


class MarkedReader(Reader):
    """First the reasoning, then the calls. Neither knows of the other."""

    def __init__(self, reasoning: ReasoningReader, calls: CallReader | None) -> None:
        self._reasoning = reasoning
        self._calls: Reader = calls or PlainReader()

    @property
    def held(self) -> int:
        return self._reasoning.held + self._calls.held

    @property
    def calls(self) -> int:
        return self._calls.calls

    @property
    def in_call(self) -> bool:
        return self._calls.in_call

    @property
    def in_reasoning(self) -> bool:
        return self._reasoning.in_reasoning

    def feed(self, piece: str) -> Parsed:
        return self._answer(self._reasoning.feed(piece))

    def flush(self, *, truncated: bool) -> Parsed:
        return self._answer(self._reasoning.flush()) + self._calls.flush(truncated=truncated)

    def _answer(self, parsed: Parsed) -> Parsed:
        return Parsed(parsed.reasoning) + self._calls.feed(parsed.text) if parsed.text else parsed
