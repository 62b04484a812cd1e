"""What a reader is: it tells reasoning, tool calls and text apart in what a model writes, while it comes."""

from __future__ import annotations

from abc import ABC, abstractmethod

from msgspec import Struct

from jubako.messages import ToolCallDelta


class Parsed(Struct, frozen=True):
    """What a piece of the model's text says, in the order of the fields."""

    reasoning: str = ""
    text: str = ""
    calls: list[ToolCallDelta] = []

    def __add__(self, other: Parsed) -> Parsed:
        return Parsed(self.reasoning + other.reasoning, self.text + other.text, self.calls + other.calls)


class Reader(ABC):
    """Reads one answer. How the text is cut into pieces makes no difference to the outcome, and what is no call is text."""

    @abstractmethod
    def feed(self, piece: str) -> Parsed:
        """What is clear now."""

    @abstractmethod
    def flush(self, *, truncated: bool) -> Parsed:
        """The text is over. With `truncated` it was cut short: the torn beginning of a call is dropped, as it is not text."""

    @property
    @abstractmethod
    def held(self) -> int:
        """How many characters, the last ones that were fed, have not become clear yet."""

    @property
    def calls(self) -> int:
        """Calls begun so far."""
        return 0

    @property
    def in_call(self) -> bool:
        """Whether a call has begun and its arguments are not complete."""
        return False

    @property
    def in_reasoning(self) -> bool:
        """Whether what comes next belongs to the reasoning, as far as is known."""
        return False


class PlainReader(Reader):
    """Takes everything for text."""

    def feed(self, piece: str) -> Parsed:
        return Parsed(text=piece)

    def flush(self, *, truncated: bool) -> Parsed:
        return Parsed()

    @property
    def held(self) -> int:
        return 0
