"""What a request asks of vLLM, and what vLLM's outputs say."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from vllm.logprobs import Logprob
from vllm.outputs import CompletionOutput, RequestOutput
from vllm.sampling_params import RequestOutputKind, SamplingParams, StructuredOutputsParams

from jubako.backends.text.engine import GenerationParams, Piece
from jubako.backends.vllm.vocabulary import Vocabulary
from jubako.messages import TokenIds, TokenLogprob, TopLogprob

MOST_SEED = 2**63 - 1
"""vLLM takes seeds of 64 bits with a sign, of which -1 means a fresh one."""

Candidates = Mapping[int, Logprob]


def sampling_params(params: GenerationParams, vocabulary: Vocabulary) -> SamplingParams:
    """`params` in vLLM's words. Stop strings are not among them: they are looked for in the text that comes.

    Raises:
        VLLMValidationError: a value is out of vLLM's range.
    """
    return SamplingParams(
        max_tokens=params.max_tokens,
        temperature=params.temperature,
        top_p=params.top_p,
        top_k=params.top_k,
        min_p=params.min_p,
        presence_penalty=params.presence_penalty,
        frequency_penalty=params.frequency_penalty,
        repetition_penalty=params.repetition_penalty,
        seed=None if params.seed is None else params.seed & MOST_SEED,
        logit_bias=params.logit_bias or None,
        stop_token_ids=sorted(params.stop_token_ids),
        include_stop_str_in_output=params.include_stop_token,
        ignore_eos=params.ignore_eos,
        skip_special_tokens=vocabulary.special.isdisjoint(params.visible_tokens),
        logprobs=params.top_logprobs,
        prompt_logprobs=params.prompt_logprobs,
        structured_outputs=None if params.grammar is None else StructuredOutputsParams(grammar=params.grammar),
        output_kind=RequestOutputKind.DELTA,
        # These parameters are this request's alone.
        skip_clone=True,
    )


class AnswerReader:
    """Makes pieces out of the outputs of one request.

    Args:
        prompt: Its tokens.
    """

    def __init__(self, prompt: TokenIds, params: GenerationParams, vocabulary: Vocabulary) -> None:
        self._prompt = prompt
        self._params = params
        self._vocabulary = vocabulary
        self._generated = 0

    def read(self, output: RequestOutput) -> Piece:
        """
        Raises:
            RuntimeError: vLLM gave the request up.
        """
        (completion,) = output.outputs
        reason = completion.finish_reason
        if reason not in (None, "stop", "length", "repetition"):
            raise RuntimeError(f"vLLM ended the answer with the reason {reason!r}.")
        self._generated += len(completion.token_ids)
        return Piece(
            completion.text,
            self._generated,
            len(self._prompt),
            output.num_cached_tokens or 0,
            self._logprobs(completion) if completion.logprobs else [],
            None if reason is None else "length" if reason == "length" else "stop",
            self._prompt_logprobs(output.prompt_logprobs) if output.prompt_logprobs else [],
        )

    def _logprobs(self, completion: CompletionOutput) -> list[TokenLogprob]:
        tokens = list(completion.token_ids)
        if completion.finish_reason == "stop" and not self._params.include_stop_token:
            # The token that ends the answer is no part of it.
            tokens = tokens[:-1]
        top = self._params.top_logprobs or 0
        rows = list(completion.logprobs or ())[: len(tokens)]
        return [self._logprob(token, row, top) for token, row in zip(tokens, rows, strict=True)]

    def _prompt_logprobs(self, rows: Sequence[Candidates | None]) -> list[TokenLogprob]:
        top = self._params.prompt_logprobs or 0
        return [
            self._logprob(token, row or {token: Logprob(math.nan)}, top if row else 0)
            for token, row in zip(self._prompt, rows, strict=True)
        ]

    def _logprob(self, token: int, candidates: Candidates, top: int) -> TokenLogprob:
        best = sorted(candidates.items(), key=lambda candidate: -candidate[1].logprob)[:top]
        text, data = self._vocabulary.text_of, self._vocabulary.bytes_of
        alternatives = [TopLogprob(text(each), said.logprob, list(data(each)), each) for each, said in best]
        return TokenLogprob(text(token), candidates[token].logprob, list(data(token)), alternatives, token)
