"""What one engine that generates tokens must do. Everything else about text is in :mod:`jubako.backends.text.model`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping
from typing import Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from jubako.messages import EngineMetric, Prompt, TokenIds, TokenLogprob


class EngineInfo(Struct, frozen=True, kw_only=True):
    """What is known of a loaded engine.

    Attributes:
        context_length: Most tokens that one request's prompt and answer may hold together.
        vocab_size: Token ids are below this.
        slots: Generations that the engine runs at once.
        chat_template: The Jinja template that the weights bring, if any; or several by name, of which ``default`` and
            ``tool_use``, for conversations with tools, are used.
        bos_token: Text of the begin-of-sequence token, or "".
        eos_token: Text of the end-of-sequence token, or "".
        adds_bos: Whether tokenising text puts the begin-of-sequence token in front.
        constrains: Whether `GenerationParams.grammar` is obeyed.
        scores_prompt: Whether `GenerationParams.prompt_logprobs` is.
    """

    context_length: int
    vocab_size: int
    slots: int
    chat_template: str | Mapping[str, str] | None = None
    bos_token: str = ""
    eos_token: str = ""
    adds_bos: bool = False
    constrains: bool = True
    scores_prompt: bool = False


class GenerationParams(Struct, frozen=True, kw_only=True):
    """How to generate one answer: complete and checked, nothing left to the engine's own defaults.

    Attributes:
        max_tokens: Most tokens to generate; None is what the context has left.
        top_k: Tokens to choose from; 0 is all.
        seed: Repeats a sampled answer; None draws a fresh one.
        stop_token_ids: Tokens that end the answer with reason "stop".
        include_stop_token: Whether such a token's text belongs to the answer.
        grammar: The text must match it; GBNF, or llguidance's Lark where it begins with ``%llguidance``, in which special
            tokens are ``<[id]>``.
        top_logprobs: Alternatives to report for each token; None reports no log probabilities at all.
        prompt_logprobs: The same for the tokens of the prompt; only for engines that score it.
        visible_tokens: Texts of special tokens that must stay in the text of pieces, because they tell the form of reasoning and
            tool calls; those that are no special tokens of the model mean nothing. An engine that can't tell them apart may show
            all special tokens while there are any here, but never the one that ended the answer.
        adapter: Name of the LoRA adapter to use, one of `ModelSpec.adapters`; "" for the model itself.
    """

    max_tokens: int | None = None
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    repetition_penalty: float = 1.0
    seed: int | None = None
    logit_bias: dict[int, float] = {}
    stop_token_ids: frozenset[int] = frozenset()
    include_stop_token: bool = False
    ignore_eos: bool = False
    grammar: str | None = None
    top_logprobs: int | None = None
    prompt_logprobs: int | None = None
    visible_tokens: frozenset[str] = frozenset()
    adapter: str = ""


class Piece(Struct, frozen=True, gc=False):
    """What an engine has just generated: whole characters of text, of one token or more.

    Attributes:
        text: May be empty, where tokens do not make a whole character yet.
        completion_tokens: Tokens generated so far, this piece included.
        prompt_tokens: Tokens of the prompt.
        cached_tokens: Those of them that were not computed again.
        logprobs: Of this piece's tokens, where they were asked for.
        finish_reason: On the last piece and on no other.
        prompt_logprobs: On the first piece, where they were asked for: one for each token of the prompt, that of the first being
            NaN, because nothing came before it.
    """

    text: str
    completion_tokens: int
    prompt_tokens: int
    cached_tokens: int = 0
    logprobs: list[TokenLogprob] = []
    finish_reason: Literal["stop", "length"] | None = None
    prompt_logprobs: list[TokenLogprob] = []


class TextEngine(ABC):
    """One loaded model that turns a prompt into tokens.

    All methods but `load` and `close` run many times at once in one event loop; `generate` at most `EngineInfo.slots` times.
    """

    @property
    @abstractmethod
    def progress(self) -> int:
        """Grows with every token and every step of a prompt, so that a stalled engine can be told from a busy one."""

    @property
    def kv_cache_usage(self) -> float | None:
        """How full the cache of keys and values is, from 0 to 1, where the engine knows. Must cost next to nothing."""
        return None

    def metrics(self) -> list[EngineMetric]:
        """The engine's own metrics, as it names them, to be passed on beside ours."""
        return []

    async def read_metrics(self) -> list[EngineMetric]:
        """The same, from an engine that has to be asked and may take a moment to say."""
        return self.metrics()

    @abstractmethod
    async def load(self) -> EngineInfo:
        """Called once, before anything else.

        Raises:
            ConfigurationError: trying again is useless.
        """

    @abstractmethod
    async def close(self) -> None:
        """Called once, when nothing runs any more."""

    @abstractmethod
    def generate(self, prompt: Prompt, params: GenerationParams) -> AsyncGenerator[Piece, None]:
        """The answer, piece by piece, each as soon as it is there.

        The caller may close the generator at any time. Closing, like the end, returns once the engine's slot is free again.
        """

    @abstractmethod
    async def tokenize(self, text: str, *, add_special: bool) -> TokenIds:
        """`add_special` puts in front what the model's tokenizer puts in front of a text, if anything."""

    @abstractmethod
    async def pieces(self, text: str, *, add_special: bool) -> tuple[TokenIds, list[str]]:
        """Like `tokenize`, and each token's text; bytes that are no whole character are replaced."""

    @abstractmethod
    async def detokenize(self, tokens: TokenIds) -> str: ...

    @abstractmethod
    async def embed(self, prompt: Prompt) -> tuple[NDArray[np.float32], int]:
        """One normalised vector, shape [dimensions], and how many tokens the input had."""
