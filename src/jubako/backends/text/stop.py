"""Cuts a stream of text at the first stop string, however the text is cut into pieces."""

from __future__ import annotations


class StopMatcher:
    """Looks for stop strings in text that comes in pieces.

    The stop string that is complete first wins; of several that end at the same character, the longest. What may be the beginning
    of one is held back until it is clear, so that no part of a stop string is ever given out.

    Args:
        stops: The strings, none of them empty.
        include: Whether the stop string belongs to the text.
    """

    def __init__(self, stops: list[str], *, include: bool = False) -> None:
        self._stops = [_Automaton(stop) for stop in stops]
        self._include = include
        self._held = ""
        self.matched: str | None = None
        """The stop string that was found; nothing is given out after it."""
        self.rest = ""
        """What came after the stop string, in the piece that completed it."""

    @property
    def held(self) -> int:
        """How many characters are held back."""
        return len(self._held)

    def feed(self, piece: str) -> str:
        """The text that is clear now: all up to a stop string, or up to what may become one."""
        if self.matched is not None or not piece:
            return ""
        if not self._stops:
            return piece
        text = self._held + piece
        for position in range(len(self._held), len(text)):
            found = self._step(text[position])
            if found is not None:
                return self._cut(text, position + 1, found)
        keep = max(automaton.length for automaton in self._stops)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def flush(self) -> str:
        """What was held back; the text is over."""
        held, self._held = self._held, ""
        return held

    def _step(self, character: str) -> str | None:
        found: str | None = None
        for automaton in self._stops:
            if automaton.step(character) and (found is None or len(automaton.pattern) > len(found)):
                found = automaton.pattern
        return found

    def _cut(self, text: str, end: int, found: str) -> str:
        self.matched = found
        self.rest = text[end:]
        self._held = ""
        return text[: end if self._include else end - len(found)]


class _Automaton:
    """Knuth, Morris and Pratt: `length` is how much of the pattern the text ends with."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.length = 0
        self._shorter = _borders(pattern)

    def step(self, character: str) -> bool:
        """Take one character; whether the pattern is complete with it."""
        pattern, length = self.pattern, self.length
        while length and pattern[length] != character:
            length = self._shorter[length - 1]
        if pattern[length] == character:
            length += 1
        if length == len(pattern):
            self.length = self._shorter[length - 1]
            return True
        self.length = length
        return False


def _borders(pattern: str) -> list[int]:
    """For each prefix of `pattern`, the length of its longest proper prefix that is also its suffix."""
    borders = [0] * len(pattern)
    length = 0
    for position in range(1, len(pattern)):
        while length and pattern[position] != pattern[length]:
            length = borders[length - 1]
        if pattern[position] == pattern[length]:
            length += 1
        borders[position] = length
    return borders
