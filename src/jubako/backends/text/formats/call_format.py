"""What a form of tool calls is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from jubako.backends.text.formats.call_reader import CallReader
from jubako.backends.text.formats.rules import Rules
from jubako.messages import Function

MAX_PARALLEL_CALLS = 16
"""A model that can't stop calling tools is stopped here."""


class CallFormat(ABC):
    """One form. Between the text and the first call stands `OPENING`; what comes after it is the form's own."""

    OPENING: ClassVar[str]
    MARKERS: ClassVar[tuple[str, ...]]
    """Strings of the form that may be special tokens; `OPENING` is one of them."""

    @abstractmethod
    def reader(self, functions: Sequence[Function]) -> CallReader:
        """A fresh reader for an answer that may call `functions`."""

    @abstractmethod
    def calls(self, rules: Rules, functions: Sequence[Function], *, parallel: bool, json_answer: bool = False) -> str:
        """What may follow `OPENING`: one call, or with `parallel` several. Adds the rules it needs, and gives an expression.

        With `json_answer` the answer may be JSON instead of calls.
        """

    def bare(self, functions: Sequence[Function]) -> str | None:
        """How a call begins where no `OPENING` is in front of it, as a regular expression; None where one always is."""
        return None


def some(separator: str, call: str, *, parallel: bool) -> str:
    """`call`, and more of them where there may be several."""
    return f"{call} ({separator} {call}){{0,{MAX_PARALLEL_CALLS - 1}}}" if parallel else call
