"""Which tokens a grammar allows next, for engines that choose tokens in Python. The grammars are llguidance's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from llguidance import LLExecutor, LLMatcher, LLTokenizer
from llguidance.gbnf_to_lark import gbnf_to_lark
from llguidance.numpy import allocate_token_bitmask
from numpy.typing import NDArray

from jubako.errors import InvalidRequest

__all__ = ["Grammars", "LLMatcher"]

LARK_HEADER = "%llguidance"


class Grammars:
    """Follows grammars over the tokens of one tokenizer.

    Args:
        tokenizer: Knows the text of each token, and which of them end an answer.
        vocab_size: Width of a row of logits; the tokenizer may know fewer tokens.
    """

    def __init__(self, tokenizer: LLTokenizer, vocab_size: int) -> None:
        self._tokenizer = tokenizer
        self._vocab_size = vocab_size
        self._executor = LLExecutor()

    def start(self, grammar: str) -> LLMatcher:
        """What follows `grammar`, GBNF or llguidance's Lark, from its beginning. It may take a second; the GIL is free.

        Raises:
            InvalidRequest: it is no grammar.
        """
        matcher = LLMatcher(self._tokenizer, lark(grammar))
        if matcher.is_error():
            raise _refused(matcher.get_error())
        return matcher

    def allowed(self, matchers: Sequence[LLMatcher]) -> NDArray[np.bool_]:
        """The tokens that may come next, shape [matchers, vocab_size], computed side by side and without the GIL.

        A grammar that is complete allows nothing but the end.
        """
        words = allocate_token_bitmask(len(matchers), self._vocab_size)
        rows = [(matcher, row) for row, matcher in enumerate(matchers)]
        self._executor.unsafe_compute_mask_ptr(rows, words.ctypes.data, words.strides[0], len(matchers))
        bits = np.unpackbits(words.view(np.uint8), axis=1, count=self._vocab_size, bitorder="little")
        return bits.view(np.bool_)


def lark(grammar: str) -> str:
    """`grammar` in llguidance's language, if it is GBNF.

    Raises:
        InvalidRequest: it is no GBNF.
    """
    if grammar.lstrip().startswith(LARK_HEADER):
        return grammar
    try:
        return gbnf_to_lark(grammar)
    except RecursionError:
        raise _refused("it is nested too deeply") from None
    except Exception as error:  # The converter raises bare ones.
        raise _refused(str(error)) from None


def _refused(reason: str) -> InvalidRequest:
    # What follows the first line quotes the grammar in llguidance's own form.
    complaint = reason.split("\n", 1)[0].rstrip(".: ")
    return InvalidRequest(f"The grammar can't be used: {complaint}.", param="grammar")
