"""Text and tokens of one model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

from llguidance import LLTokenizer
from llguidance.hf import from_tokenizer
from transformers import PreTrainedTokenizerBase

from jubako.backends.text.detokenizer import Detokenizer
from jubako.backends.transformers.sequence import Chosen
from jubako.errors import ConfigurationError
from jubako.messages import TokenIds, TokenLogprob, TopLogprob


class Tokens:
    """Translates between text and tokens. Every method may run in any thread.

    Args:
        tokenizer: The model's.
        vocab_size: Width of a row of logits.
        end_tokens: The tokens that end an answer.

    Raises:
        ConfigurationError: the tokenizer is not one of the library `tokenizers`.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, vocab_size: int, end_tokens: frozenset[int]) -> None:
        if not tokenizer.is_fast:
            raise ConfigurationError(
                f"The model's tokenizer is a {type(tokenizer).__name__}, which is written in Python; the backend needs a "
                "tokenizer.json. Saving the tokenizer with a current transformers makes one."
            )
        self._tokenizer = tokenizer
        # The library's own object changes its padding while it works; this one never does.
        self._encoder = tokenizer.backend_tokenizer
        self._skipped = frozenset(token for token, added in tokenizer.added_tokens_decoder.items() if added.special)
        self.known: LLTokenizer = from_tokenizer(tokenizer, n_vocab=vocab_size, eos_token=sorted(end_tokens))
        """The same vocabulary, for grammars."""

    @property
    def chat_template(self) -> str | Mapping[str, str] | None:
        template: str | dict[str, str] | None = self._tokenizer.chat_template
        return template

    @property
    def bos_token(self) -> str:
        return self._tokenizer.bos_token or ""

    @property
    def eos_token(self) -> str:
        return self._tokenizer.eos_token or ""

    @property
    def adds_bos(self) -> bool:
        return self.encode("", add_special=True)[:1] == [self._tokenizer.bos_token_id]

    def encode(self, text: str, *, add_special: bool) -> TokenIds:
        tokens: list[int] = self._encoder.encode(text, add_special_tokens=add_special).ids
        return tokens

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of `tokens`, special ones included."""
        text: str = self._encoder.decode(tokens, skip_special_tokens=False)
        return text

    def detokenizer(self, visible: Set[str]) -> Detokenizer:
        """For one answer, in which the special tokens with the texts `visible` are text like any other."""
        return Detokenizer(self.decode, self._skipped - {self._encoder.token_to_id(text) for text in visible})

    def bytes_of(self, token: int) -> bytes:
        return self.known.decode_bytes([token])

    def text_of(self, token: int) -> str:
        """A token's text by itself; bytes that are no whole character are replaced."""
        return self.bytes_of(token).decode("utf-8", "replace")

    def logprob(self, chosen: Chosen) -> TokenLogprob:
        top = [TopLogprob(self.text_of(token), logprob, list(self.bytes_of(token)), token) for token, logprob in chosen.top]
        return TokenLogprob(self.text_of(chosen.token), chosen.logprob, list(self.bytes_of(chosen.token)), top, chosen.token)
