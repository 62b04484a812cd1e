"""Text and tokens of one model."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from llguidance import LLTokenizer
from llguidance.hf import from_tokenizer
from transformers import PreTrainedTokenizerBase

from jubako.messages import TokenIds

INLINE_CHARACTERS = 16_384
"""A longer text is tokenised in a thread, so that other streams go on; a shorter one takes less than a millisecond or two."""


class Vocabulary:
    """Translates between text and tokens.

    Args:
        tokenizer: vLLM's own for the model, which threads may share.
        vocab_size: Width of a row of logits.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, vocab_size: int) -> None:
        self._tokenizer = tokenizer
        self._known = _known(tokenizer, vocab_size)
        self.special = frozenset(added.content for added in tokenizer.added_tokens_decoder.values() if added.special)
        """Texts of the special tokens, which answers do not show."""

    @property
    def constrains(self) -> bool:
        """Whether llguidance can read it, which then knows every token's bytes."""
        return self._known is not None

    @property
    def chat_template(self) -> str | Mapping[str, str] | None:
        template: str | dict[str, str] | None = getattr(self._tokenizer, "chat_template", None)
        return template

    @property
    def bos_token(self) -> str:
        return self._tokenizer.bos_token or ""

    @property
    def eos_token(self) -> str:
        return self._tokenizer.eos_token or ""

    @property
    def adds_bos(self) -> bool:
        bos = self._tokenizer.bos_token_id
        return bos is not None and self._encode("", add_special=True)[:1] == [bos]

    async def encode(self, text: str, *, add_special: bool) -> TokenIds:
        if len(text) <= INLINE_CHARACTERS:
            return self._encode(text, add_special=add_special)
        return await asyncio.to_thread(self._encode, text, add_special=add_special)

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of `tokens`, special ones included."""
        text: str = self._tokenizer.decode(tokens, skip_special_tokens=False)
        return text

    def bytes_of(self, token: int) -> bytes:
        """The token's own, which need not be whole characters."""
        if self._known is None:
            return self.decode([token]).encode()
        return bytes(self._known.decode_bytes([token]))

    def text_of(self, token: int) -> str:
        """A token's text by itself; bytes that are no whole character are replaced."""
        return self.bytes_of(token).decode("utf-8", "replace")

    def _encode(self, text: str, *, add_special: bool) -> TokenIds:
        return list(self._tokenizer.encode(text, add_special_tokens=add_special))


def _known(tokenizer: PreTrainedTokenizerBase, vocab_size: int) -> LLTokenizer | None:
    """The same vocabulary for llguidance; None for the kinds that it can't read, such as the word pieces of embedders."""
    if not tokenizer.is_fast:
        return None
    try:
        return from_tokenizer(tokenizer, max(vocab_size, len(tokenizer)))
    except ValueError:
        return None
