"""What llama.cpp's completions handler takes and gives."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import Struct

from jubako.backends.text.engine import GenerationParams
from jubako.backends.text.plan import too_long
from jubako.errors import InvalidRequest, JubakoError
from jubako.messages import Prompt, TokenLogprob, TopLogprob

_SAMPLERS = ("penalties", "top_k", "temperature", "min_p", "top_p")
"""The temperature before top_p, as other engines do it; llama.cpp's own order has it last."""

_SEEDS = 2**32 - 1
"""llama.cpp has 32-bit seeds, of which the last means a random one."""

_json = msgspec.json.Encoder()


class Candidate(Struct, frozen=True, gc=False):
    id: int
    token: str
    bytes: list[int]
    logprob: float


class TokenProbs(Struct, frozen=True, gc=False):
    id: int
    token: str
    bytes: list[int]
    logprob: float
    top_logprobs: list[Candidate] = []

    def public(self, top: int) -> TokenLogprob:
        alternatives = [TopLogprob(c.token, c.logprob, c.bytes, c.id) for c in self.top_logprobs[:top]]
        return TokenLogprob(self.token, self.logprob, self.bytes, alternatives, self.id)


class Probs(Struct, frozen=True, gc=False):
    content: list[TokenProbs]


class ChunkChoice(Struct, frozen=True, gc=False):
    text: str = ""
    logprobs: Probs | None = None
    finish_reason: Literal["stop", "length"] | None = None


class ChunkTimings(Struct, frozen=True, gc=False):
    """Tokens so far: `cache_n` and `prompt_n` make up the prompt."""

    cache_n: int = 0
    prompt_n: int = 0
    predicted_n: int = 0


class Progress(Struct, frozen=True, gc=False):
    total: int
    processed: int


class EngineError(Struct, frozen=True):
    code: int = 500
    message: str = ""
    type: str = ""
    n_prompt_tokens: int = 0
    n_ctx: int = 0

    def public(self) -> JubakoError | RuntimeError:
        """The caller's error, or a RuntimeError where the engine itself failed."""
        if self.type == "exceed_context_size_error":
            return too_long(self.n_prompt_tokens, self.n_ctx, None)
        if "failed to parse grammar" in self.message:
            return InvalidRequest("The grammar can't be used: it is no valid GBNF, or it has no rule `root`.", param="grammar")
        if self.code == 400:
            return InvalidRequest(f"llama.cpp refuses the request: {self.message}")
        return RuntimeError(f"llama.cpp failed with {self.code} {self.type}: {self.message}")


class Chunk(Struct, frozen=True):
    choices: list[ChunkChoice] = []
    timings: ChunkTimings = ChunkTimings()
    prompt_progress: Progress | None = None
    error: EngineError | None = None


decode_chunk = msgspec.json.Decoder(Chunk).decode


def encode_request(prompt: Prompt, params: GenerationParams, context_length: int) -> bytes:
    """The body for `Server.handle_completions`. Penalties look back over the whole context, as in other engines."""
    body: dict[str, object] = {
        "prompt": prompt,
        "stream": True,
        "timings_per_token": True,
        "return_progress": True,
        "cache_prompt": True,
        "n_predict": -1 if params.max_tokens is None else min(params.max_tokens, 2**31 - 1),
        "samplers": _SAMPLERS,
        "temperature": params.temperature,
        # Greedy needs one candidate; llama.cpp would weigh the whole vocabulary to draw from it.
        "top_k": params.top_k if params.temperature else 1,
        "top_p": params.top_p,
        "min_p": params.min_p,
        "repeat_penalty": params.repetition_penalty,
        "repeat_last_n": context_length,
        "presence_penalty": params.presence_penalty,
        "frequency_penalty": params.frequency_penalty,
        "ignore_eos": params.ignore_eos,
    }
    if params.seed is not None:
        body["seed"] = params.seed % _SEEDS
    if params.logit_bias:
        body["logit_bias"] = {str(token): bias for token, bias in params.logit_bias.items()}
    if params.visible_tokens:
        body["preserved_tokens"] = sorted(params.visible_tokens)
    if params.grammar is not None:
        body["grammar"] = params.grammar
    if params.top_logprobs is not None or params.stop_token_ids:
        # Token ids come with log probabilities only, and those only for one alternative or more.
        body["logprobs"] = max(params.top_logprobs or 0, 1)
    return _json.encode(body)
