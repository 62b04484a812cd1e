"""Prompts of about a number of tokens, no two alike, so that a cache of prompts can't help where it would not in use."""

from __future__ import annotations

import random

_TEXT = """\
time year people way day man thing woman life child world school state family student group country problem hand part
place case week company system program question work government number night point home water room mother area money story fact
month lot right study book eye job word business issue side kind head house service friend father power hour game
line end member law car city community name president team minute idea body information back parent face others level office
door health person art war history party result change morning reason research girl guy moment air teacher"""

WORDS = _TEXT.split()
"""Common English words, which are one token each in nearly every vocabulary."""

OPENING = "Write a long story with these words:"


class Prompts:
    """Makes prompts.

    Args:
        words: How many there are in each, besides the opening.
        shared_words: How many of them, at the beginning, are the same in every prompt.
        seed: Other seeds, other prompts.
    """

    def __init__(self, words: int, shared_words: int, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - no secret depends on it
        self._shared = self._draw(min(shared_words, words))
        self._own = words - len(self._shared)

    def make(self) -> str:
        words = [*self._shared, *self._draw(self._own)]
        if self._shared:
            return " ".join([OPENING, *words])
        # What differs comes first: caches go by beginnings.
        return " ".join([*words, OPENING.replace("these", "the above").rstrip(":")])

    def _draw(self, number: int) -> list[str]:
        return self._random.choices(WORDS, k=number)
