"""What a request asks of LMDeploy, and what LMDeploy's outputs say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set

from lmdeploy.messages import GenerationConfig
from lmdeploy.serve.core.async_engine import GenOut

from jubako.backends.text.engine import GenerationParams, Piece
from jubako.errors import InvalidRequest
from jubako.messages import TokenLogprob, TopLogprob

MOST_TEMPERATURE = 2.0
_SEEDS = 2**64
_NEUTRAL = {"presence_penalty": 0.0, "frequency_penalty": 0.0, "logit_bias": {}}
"""What LMDeploy has not, and the values that ask for nothing."""


def generation_config(params: GenerationParams, stop_words: Set[int], special: Set[str]) -> GenerationConfig:
    """`params` in LMDeploy's words. Stop strings are not among them: they are looked for in the text that comes.

    Args:
        stop_words: Tokens that end an answer by LMDeploy's own account of the model, which it forgets where a request names some.
        special: Texts of the model's special tokens.

    Raises:
        InvalidRequest: LMDeploy can't do what is asked.
    """
    for name, neutral in _NEUTRAL.items():
        if getattr(params, name) != neutral:
            raise InvalidRequest(f"LMDeploy has no {name}; leave it out, or ask a model on another backend.", param=name)
    if params.temperature > MOST_TEMPERATURE:
        raise InvalidRequest(f"temperature is {params.temperature:g}; LMDeploy takes at most 2.", param="temperature")
    if params.ignore_eos and params.stop_token_ids:
        raise InvalidRequest("With ignore_eos LMDeploy stops at no token; leave stop_token_ids out.", param="stop_token_ids")
    greedy = params.temperature == 0
    return GenerationConfig(
        max_new_tokens=params.max_tokens,
        # Without it LMDeploy forgets the penalty too; one candidate is as greedy.
        do_sample=True,
        temperature=1.0 if greedy else params.temperature,
        top_k=1 if greedy else params.top_k,
        top_p=1.0 if greedy else params.top_p,
        min_p=0.0 if greedy else params.min_p,
        repetition_penalty=params.repetition_penalty,
        random_seed=None if params.seed is None else params.seed % _SEEDS,
        ignore_eos=params.ignore_eos,
        stop_token_ids=sorted(params.stop_token_ids | stop_words) or None,
        include_stop_str_in_output=params.include_stop_token,
        skip_special_tokens=special.isdisjoint(params.visible_tokens),
        spaces_between_special_tokens=False,
        logprobs=None if params.top_logprobs is None else max(params.top_logprobs, 1),
    )


def read_piece(output: GenOut, top: int | None, text_of: Callable[[int], str]) -> Piece:
    """`output` as a piece; `top` is how many alternatives were asked for, None if no log probabilities were.

    Raises:
        RuntimeError: LMDeploy gave the request up.
    """
    reason = output.finish_reason
    if reason not in (None, "stop", "length"):
        raise RuntimeError(f"LMDeploy ended the answer with the reason {reason!r}.")
    rows = zip(output.token_ids or (), output.logprobs or (), strict=False) if top is not None else ()
    return Piece(
        output.response,
        output.generate_token_len,
        output.input_token_len,
        output.cached_tokens,
        [_logprob(token, row, top or 0, text_of) for token, row in rows],
        None if reason is None else "length" if reason == "length" else "stop",
    )


def _logprob(token: int, candidates: Mapping[int, float], top: int, text_of: Callable[[int], str]) -> TokenLogprob:
    best = sorted(candidates.items(), key=lambda candidate: -candidate[1])[:top]
    alternatives = [TopLogprob(text_of(each), logprob, list(text_of(each).encode()), each) for each, logprob in best]
    text = text_of(token)
    return TokenLogprob(text, candidates[token], list(text.encode()), alternatives, token)
