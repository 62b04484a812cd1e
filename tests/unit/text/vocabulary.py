"""A vocabulary of single bytes and a few whole markers, and whether a grammar takes a text written in it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from llguidance import LLMatcher, LLTokenizer, TokenizerWrapper


class _Bytes:
    def __init__(self, special: Sequence[str], whole: Sequence[str]) -> None:
        self.tokens = [bytes([byte]) for byte in range(256)]
        self.tokens += [text.encode() for text in (*special, *whole)]
        self.special_token_ids = list(range(256, 256 + len(special)))
        self.eos_token_id = len(self.tokens)
        self.special_token_ids.append(self.eos_token_id)
        self.tokens.append(b"<eos>")
        self.bos_token_id = None

    def __call__(self, text: str | bytes) -> list[int]:
        return list(text.encode() if isinstance(text, str) else text)


class Vocabulary:
    """Args:
    special: Markers that are special tokens, with no text of their own in a grammar.
    whole: Markers that are one ordinary token.
    """

    def __init__(self, special: Sequence[str] = (), whole: Sequence[str] = ()) -> None:
        own = _Bytes(special, whole)
        self._known = LLTokenizer(TokenizerWrapper(own))
        self.tokens = {text: 256 + number for number, text in enumerate((*special, *whole))}
        """Ids of the markers."""
        self._marker = re.compile("|".join(map(re.escape, self.tokens)) or r"(?!)")

    def accepts(self, grammar: str, text: str) -> bool:
        """Whether all of `text` may be written, and the answer may end after it."""
        problem = LLMatcher.validate_grammar(grammar, self._known)
        assert not problem, problem
        matcher = LLMatcher(self._known, grammar)
        ids = self._encode(text)
        taken = matcher.try_consume_tokens(ids)
        assert not matcher.is_error(), matcher.get_error()
        return taken == len(ids) and matcher.is_accepting()

    def _encode(self, text: str) -> list[int]:
        ids: list[int] = []
        end = 0
        for match in self._marker.finditer(text):
            ids += text[end : match.start()].encode()
            ids.append(self.tokens[match[0]])
            end = match.end()
        return [*ids, *text[end:].encode()]
