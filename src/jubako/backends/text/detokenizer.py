"""Text out of tokens that come one at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set

from jubako.messages import TokenIds

REPLACEMENT = "\ufffd"
"""What decoders write for bytes that are no character, and so for the beginning of one."""

LONGEST_CHARACTER = 4
"""Bytes of UTF-8, and so the most tokens that make one character."""


class Detokenizer:
    """Gives out whole characters; all that is given out joins to what decoding all tokens at once gives.

    A token's text depends on what is around it: a character may be spread over several tokens, and many tokenizers write the
    space between two words only where something precedes it. So a new token is decoded together with those before it, back to
    where the text given out last began, which is the beginning of a character and has text of its own.

    Args:
        decode: Decodes token ids at once, special tokens included. Bytes that are no character become U+FFFD.
        skipped: Ids of the special tokens, which give no text and count as not there.
    """

    def __init__(self, decode: Callable[[Sequence[int]], str], skipped: Set[int] = frozenset()) -> None:
        self._decode = decode
        self._skipped = skipped
        self._window: TokenIds = []
        self._known = 0
        self._given = 0
        self._held = 0
        self._length = 0

    def feed(self, tokens: Sequence[int]) -> str:
        """The text that is clear with `tokens`, the next ones."""
        return "".join([self._feed(token) for token in tokens if token not in self._skipped])

    def flush(self) -> str:
        """The rest, where the tokens end amid a character."""
        if self._known == len(self._window):
            return ""
        rest = self._decode(self._window)[self._given :]
        self._forget(self._known)
        return rest

    def _feed(self, token: int) -> str:
        self._window.append(token)
        text = self._decode(self._window)
        # Shorter than without the token: several broken bytes have become one character, which is U+FFFD itself.
        whole = not text.endswith(REPLACEMENT) or len(text) < self._length
        self._length = len(text)
        if not whole:
            self._held += 1
            if self._held < LONGEST_CHARACTER:
                return ""
            # No character is that long: these bytes are none. Only the last of them may still begin one.
            new = text[self._given : -1]
            self._given += len(new)
            return new
        self._held = 0
        new = text[self._given :]
        if new:
            self._forget(self._known)
        return new

    def _forget(self, tokens: int) -> None:
        """Leave the first `tokens` of the window out of it; what the others give is given."""
        del self._window[:tokens]
        self._known = len(self._window)
        self._given = self._length = len(self._decode(self._window))
