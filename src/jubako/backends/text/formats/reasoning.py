"""Models that think aloud first: how they mark it, and the reader that tells it from the answer."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from jubako.backends.text.formats.reader import Parsed
from jubako.backends.text.stop import StopMatcher


class ReasoningFormat(Struct, frozen=True):
    """Reasoning between two strings, at the beginning of what the model writes.

    Attributes:
        opening: May be missing where the prompt ends with it, as the templates of some models do.
        always: Whether the model always reasons, so that what it writes is reasoning up to `closing` even without `opening`.
    """

    opening: str
    closing: str
    always: bool = False

    def begins_inside(self, prompt: str) -> bool | None:
        """Whether the text after `prompt` is reasoning, or None where the text itself tells: it begins with `opening` or not."""
        end = prompt.rstrip()
        if end.endswith(self.opening):
            return True
        if end.endswith(self.closing):
            return False
        return True if self.always else None


class ReasoningReader:
    """Tells the reasoning from the answer. White space at the beginning of either belongs to the form, not to it.

    Args:
        inside: What :meth:`ReasoningFormat.begins_inside` says.
    """

    def __init__(self, form: ReasoningFormat, *, inside: bool | None) -> None:
        self._opening = form.opening
        self._inside = bool(inside)
        self._state: Callable[[], bool] = self._in_answer if inside is False else self._at_start
        self._buffer = ""
        self._closing = StopMatcher([form.closing])
        self._reasoning: list[str] = []
        self._text: list[str] = []

    @property
    def held(self) -> int:
        return len(self._buffer) + self._closing.held

    @property
    def in_reasoning(self) -> bool:
        return self._inside

    def feed(self, piece: str) -> Parsed:
        self._buffer += piece
        while self._buffer and self._state():
            pass
        return self._take()

    def flush(self) -> Parsed:
        """The text is over: what was held back belongs to where it stands."""
        held = self._closing.flush() + self._buffer
        self._buffer = ""
        (self._reasoning if self._inside else self._text).append(held)
        return self._take()

    def _take(self) -> Parsed:
        parsed = Parsed(reasoning="".join(self._reasoning), text="".join(self._text))
        self._reasoning, self._text = [], []
        return parsed

    def _at_start(self) -> bool:
        stripped = self._buffer.lstrip()
        if stripped.startswith(self._opening):
            self._buffer = stripped[len(self._opening) :]
            self._inside = True
            self._state = self._before_reasoning
        elif self._opening.startswith(stripped):
            return False
        else:
            self._state = self._before_reasoning if self._inside else self._in_answer
        return True

    def _before_reasoning(self) -> bool:
        return self._skip_space(self._in_reasoning)

    def _in_reasoning(self) -> bool:
        self._reasoning.append(self._closing.feed(self._buffer))
        self._buffer = ""
        if self._closing.matched is None:
            return False
        self._buffer = self._closing.rest
        self._inside = False
        self._state = self._before_answer
        return True

    def _before_answer(self) -> bool:
        return self._skip_space(self._in_answer)

    def _in_answer(self) -> bool:
        self._text.append(self._buffer)
        self._buffer = ""
        return False

    def _skip_space(self, then: Callable[[], bool]) -> bool:
        self._buffer = self._buffer.lstrip()
        if self._buffer:
            self._state = then
        return bool(self._buffer)
