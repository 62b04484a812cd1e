"""OpenAI's answers as providers really send them: anything may be absent or null that can be done without."""

from __future__ import annotations

from typing import Any

from msgspec import Struct


class PromptDetails(Struct, frozen=True):
    cached_tokens: int | None = None


class CompletionDetails(Struct, frozen=True):
    reasoning_tokens: int | None = None


class WireUsage(Struct, frozen=True):
    """`cached_tokens` is Moonshot's place for it, `prompt_cache_hit_tokens` DeepSeek's."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: CompletionDetails | None = None
    cached_tokens: int | None = None
    prompt_cache_hit_tokens: int | None = None


class WireFunction(Struct, frozen=True):
    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class WireCall(Struct, frozen=True):
    index: int | None = None
    id: str | None = None
    function: WireFunction = WireFunction()


class WireTop(Struct, frozen=True):
    token: str
    logprob: float | None = None
    bytes: list[int] | None = None


class WireToken(Struct, frozen=True):
    token: str
    logprob: float | None = None
    bytes: list[int] | None = None
    top_logprobs: list[WireTop] | None = None
    token_id: int | None = None


class WireLogprobs(Struct, frozen=True):
    content: list[WireToken] | None = None


class WireMessage(Struct, frozen=True):
    """A message, or the part of one that a chunk has. Providers differ in what they call the reasoning."""

    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[WireCall] | None = None


class WirePromptToken(Struct, frozen=True):
    logprob: float | None = None
    rank: int | None = None
    decoded_token: str | None = None


PromptTable = list[dict[str, WirePromptToken] | None]
"""vLLM's form: for each token of the prompt, by token id, itself first and then the likeliest; null for the first token."""


class ChatChoice(Struct, frozen=True):
    index: int | None = None
    delta: WireMessage | None = None
    message: WireMessage | None = None
    logprobs: WireLogprobs | None = None
    finish_reason: str | None = None
    usage: WireUsage | None = None


class ChatAnswer(Struct, frozen=True):
    """A whole chat, or a chunk of one."""

    choices: list[ChatChoice] | None = None
    usage: WireUsage | None = None
    prompt_logprobs: PromptTable | None = None
    error: Any = None
    object: Any = None


class CompletionLogprobs(Struct, frozen=True):
    tokens: list[str] | None = None
    token_logprobs: list[float | None] | None = None
    top_logprobs: list[dict[str, float | None] | None] | None = None


class CompletionChoice(Struct, frozen=True):
    index: int | None = None
    text: str | None = None
    logprobs: CompletionLogprobs | None = None
    finish_reason: str | None = None
    prompt_logprobs: PromptTable | None = None


class CompletionAnswer(Struct, frozen=True):
    """A whole completion, or a chunk of one."""

    choices: list[CompletionChoice] | None = None
    usage: WireUsage | None = None
    error: Any = None
    object: Any = None


class WireEmbedding(Struct, frozen=True):
    """A list of numbers, or the base64 of little-endian float32."""

    embedding: list[float] | str
    index: int | None = None


class EmbeddingAnswer(Struct, frozen=True):
    data: list[WireEmbedding]
    usage: WireUsage | None = None


class WireScore(Struct, frozen=True):
    index: int
    score: float


class ScoreAnswer(Struct, frozen=True):
    data: list[WireScore]
    usage: WireUsage | None = None


class WireRank(Struct, frozen=True):
    index: int
    relevance_score: float


class RerankAnswer(Struct, frozen=True):
    results: list[WireRank]
    usage: WireUsage | None = None


class WireClass(Struct, frozen=True):
    index: int
    probs: list[float]
    label: str | None = None


class ClassifyAnswer(Struct, frozen=True):
    data: list[WireClass]
    usage: WireUsage | None = None


class TokenizeAnswer(Struct, frozen=True):
    tokens: list[int]
    max_model_len: int | None = None
    token_strs: list[str] | None = None


class DetokenizeAnswer(Struct, frozen=True):
    prompt: str
