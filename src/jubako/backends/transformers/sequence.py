"""One answer while it is generated: how its tokens are chosen, and what is known of them."""

from __future__ import annotations

import random
from collections import Counter

import torch
from msgspec import Struct

from jubako.backends.text.engine import GenerationParams
from jubako.backends.text.masks import LLMatcher
from jubako.messages import TokenIds


class Chosen(Struct, frozen=True, gc=False):
    """The log probability of a token that was chosen, before anything the request asked for changed it.

    Attributes:
        top: The likeliest tokens and their log probabilities, the likeliest first.
    """

    token: int
    logprob: float
    top: list[tuple[int, float]]


class Sequence:
    """One answer. Once its request is in the batch, only the thread that generates touches it.

    Args:
        prompt: The tokens of the prompt.
        params: How to generate.
        matcher: Follows the answer's grammar, from its beginning; None without one.
        device: Where the logits are.
    """

    def __init__(self, prompt: TokenIds, params: GenerationParams, matcher: LLMatcher | None, device: torch.device) -> None:
        self.params = params
        self.matcher = matcher
        self.cached_tokens: int | None = None
        """Tokens of the prompt that were not computed again; None until it is begun."""
        self.chosen: list[Chosen] = []
        """What the reader has not taken yet, if it asked for log probabilities."""
        self.delivered = 0
        """Tokens that the reader was sent."""
        self.error: str | None = None
        """Why the answer can't go on, if it can't."""
        self._random = random.Random(params.seed)  # noqa: S311 - no secret
        self._device = device
        self._counts: Counter[int] = Counter()
        self._repeats = params.repetition_penalty != 1.0
        self._seen = set(prompt) if self._repeats else set()
        self._penalised = self._repeats or bool(params.presence_penalty or params.frequency_penalty)
        bias = params.logit_bias
        self._biased = torch.tensor(list(bias), device=device) if bias else None
        self._bias = torch.tensor(list(bias.values()), device=device) if bias else None

    @property
    def sampled(self) -> bool:
        return self.params.temperature > 0

    @property
    def plain(self) -> bool:
        """Whether its next token is simply the likeliest one, and nothing else is wanted."""
        return not (
            self.sampled
            or self._penalised
            or self._biased is not None
            or self.matcher is not None
            or self.params.top_logprobs is not None
        )

    def draw(self) -> float:
        """From 0 to below 1; always the same numbers for the same seed."""
        return self._random.random()

    def adjust(self, logits: torch.Tensor) -> None:
        """Bias, then penalties, in place; `logits` has shape [vocab_size].

        The repetition penalty is that of https://arxiv.org/abs/1909.05858 over the prompt and the answer; the presence and the
        frequency penalty are OpenAI's, over the answer.
        """
        if self._biased is not None:
            logits[self._biased] += self._bias
        if self._repeats:
            seen = torch.tensor(list(self._seen), device=self._device)
            values, penalty = logits[seen], self.params.repetition_penalty
            logits[seen] = torch.where(values > 0, values / penalty, values * penalty)
        if self._counts:
            tokens = torch.tensor(list(self._counts), device=self._device)
            counts = torch.tensor(list(self._counts.values()), device=self._device, dtype=logits.dtype)
            logits[tokens] -= self.params.presence_penalty + self.params.frequency_penalty * counts

    def advance(self, token: int) -> None:
        """`token` is the next one."""
        if self._penalised:
            self._counts[token] += 1
            self._seen.add(token)
        if self.matcher is not None and not self.matcher.consume_token(token):
            self.error = f"The grammar can't be followed any further: {self.matcher.get_error()}"
