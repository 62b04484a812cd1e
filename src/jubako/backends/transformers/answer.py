"""Makes the pieces of one answer out of its tokens."""

from __future__ import annotations

from collections.abc import Set
from typing import Literal

from jubako.backends.text.engine import GenerationParams, Piece
from jubako.backends.transformers.streams import Step
from jubako.backends.transformers.tokens import Tokens


class Answer:
    """One answer, as far as it has come.

    Args:
        tokens: The model's.
        params: How it is generated.
        ends: Tokens that end it.
        prompt_tokens: How many tokens its prompt has.
    """

    def __init__(self, tokens: Tokens, params: GenerationParams, ends: Set[int], prompt_tokens: int) -> None:
        self._tokens = tokens
        self._params = params
        self._ends = ends
        self._prompt_tokens = prompt_tokens
        self._detokenizer = tokens.detokenizer(params.visible_tokens)
        self._completion_tokens = 0

    def piece(self, step: Step) -> Piece:
        """What `step` adds.

        Raises:
            RuntimeError: the engine failed.
        """
        if step.error is not None:
            raise RuntimeError(f"transformers failed: {step.error}")
        self._completion_tokens += len(step.tokens)
        shown, chosen = step.tokens, step.chosen
        ended = step.finished and bool(shown) and shown[-1] in self._ends
        stop_text = ""
        if ended:
            # The token that ends the answer is no part of it, unless the request wants it.
            stop_text = self._stop_text(shown[-1])
            shown, chosen = shown[:-1], chosen[: len(shown) - 1]
        text = self._detokenizer.feed(shown)
        if step.finished:
            text += self._detokenizer.flush() + stop_text
        return Piece(
            text,
            self._completion_tokens,
            self._prompt_tokens,
            step.cached_tokens,
            [self._tokens.logprob(each) for each in chosen],
            self._reason(ended=ended) if step.finished else None,
        )

    def _stop_text(self, token: int) -> str:
        wanted = self._params.include_stop_token and token in self._params.stop_token_ids
        return self._tokens.text_of(token) if wanted else ""

    def _reason(self, *, ended: bool) -> Literal["stop", "length"]:
        return "stop" if ended else "length"
