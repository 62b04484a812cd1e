"""Grammar rules under construction, in llguidance's Lark."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from jubako.backends.text.grammar import HEADER, json_rule, quoted

_SPECIAL = re.compile(r"([\\/.*+?^$|()\[\]{}])")


class Rules:
    """The rules of one grammar.

    Args:
        tokens: Ids of the markers that are one token in the model's vocabulary. Special tokens have no text in a grammar, so a
            marker is matched by its text or by its token.
    """

    def __init__(self, tokens: Mapping[str, int]) -> None:
        self._tokens = tokens
        self._rules: dict[str, str] = {}

    def add(self, name: str, body: str, attributes: str = "") -> str:
        """A rule; where the name begins with a capital it is a terminal. Gives the name."""
        self._rules[f"{name}{attributes}"] = body
        return name

    def json(self, name: str, schema: dict[str, Any]) -> str:
        """A rule for JSON on one line that `schema` accepts."""
        return self.add(name, json_rule(schema))

    def marker(self, text: str) -> str:
        token = self._tokens.get(text)
        return quoted(text) if token is None else f"({quoted(text)} | <[{token}]>)"

    def until(self, name: str, marker: str, excluding: str = "") -> str:
        """Any text and then `marker`.

        Args:
            name: Of the rules that are needed, in small letters.
            excluding: A regular expression that the text must not match.
        """
        less = f" & ~/{excluding}/" if excluding else ""
        self.add(name, f"/(?s:.*)/{less}", f"[suffix={quoted(marker)}]")
        token = self._tokens.get(marker)
        if token is None:
            return name
        before = self.without(f"{name.upper()}_TOKEN", [marker], excluding)
        return f"({name} | {before}? <[{token}]>)"

    def without(self, name: str, markers: Sequence[str], excluding: str = "") -> str:
        """A terminal: text, not empty, in which no marker is spelled out."""
        less = "".join(f" & ~/(?s:.*){pattern(marker)}(?s:.*)/" for marker in markers)
        return self.add(name, f"/(?s:.+)/{less}" + (f" & ~/{excluding}/" if excluding else ""))

    def render(self, start: str) -> str:
        rules = [f"start: {start}", *(f"{name}: {body}" for name, body in self._rules.items())]
        return HEADER + "\n".join(rules) + "\n"


def pattern(text: str) -> str:
    """A regular expression for exactly `text`, for use between slashes."""
    return _SPECIAL.sub(r"\\\1", text)
