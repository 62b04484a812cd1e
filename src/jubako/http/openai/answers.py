"""The answers of OpenAI's API, as they go out."""

from __future__ import annotations

import math
import time
from typing import Literal

import msgspec
from msgspec import Struct

from jubako import __version__
from jubako.errors import JubakoError
from jubako.messages import FinishReason, Task, TokenLogprob, ToolCall, Usage, VersionState, VersionStatus

encode = msgspec.json.Encoder().encode


# --- errors -----------------------------------------------------------------------------------------------------------------


class ErrorDetail(Struct, frozen=True):
    """What went wrong. `param` is the path of the field at fault, `code` a machine-readable name."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorAnswer(Struct, frozen=True):
    """The body of every answer that is an error."""

    error: ErrorDetail


def error_body(error: JubakoError) -> bytes:
    return encode(ErrorAnswer(ErrorDetail(error.message, error.openai_type, error.param, error.code)))


# --- usage ------------------------------------------------------------------------------------------------------------------


class PromptTokensDetails(Struct, frozen=True):
    cached_tokens: int


class CompletionTokensDetails(Struct, frozen=True):
    reasoning_tokens: int


class CompletionUsage(Struct, frozen=True):
    """Tokens, as the engine counted them."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails
    completion_tokens_details: CompletionTokensDetails

    @classmethod
    def of(cls, usage: Usage) -> CompletionUsage:
        return cls(
            usage.prompt_tokens,
            usage.completion_tokens,
            usage.prompt_tokens + usage.completion_tokens,
            PromptTokensDetails(usage.cached_tokens),
            CompletionTokensDetails(usage.reasoning_tokens),
        )


class EmbeddingUsage(Struct, frozen=True):
    """Tokens of what was read; nothing was generated."""

    prompt_tokens: int
    total_tokens: int

    @classmethod
    def of(cls, usage: Usage) -> EmbeddingUsage:
        return cls(usage.prompt_tokens, usage.prompt_tokens)


# --- what an answer says of itself ------------------------------------------------------------------------------------------


def now() -> int:
    return int(time.time())


def fingerprint(status: VersionStatus) -> str:
    """Changes when the same request might be answered differently: another server, engine or version."""
    return f"jubako-{__version__}-{status.backend}-{status.version}"


# --- log probabilities of prompts, in vLLM's shape ---------------------------------------------------------------------------

LEAST_LOGPROB = -9999.0
"""Stands for one that JSON has no number for."""


class PromptLogprob(Struct, frozen=True):
    """`rank` is the token's place among all that could have been there, from 1; null where it is not among those given."""

    logprob: float
    rank: int | None
    decoded_token: str


PromptLogprobs = list[dict[str, PromptLogprob] | None]
"""For each token of the prompt, by token id, it and the likeliest there; null for the first, before which there was nothing."""


def prompt_table(logprobs: list[TokenLogprob]) -> PromptLogprobs:
    return [_place(each) for each in logprobs]


def _place(chosen: TokenLogprob) -> dict[str, PromptLogprob] | None:
    if math.isnan(chosen.logprob):
        return None
    ranks = {top.token_id: rank for rank, top in enumerate(chosen.top_logprobs, 1)}
    own = PromptLogprob(max(chosen.logprob, LEAST_LOGPROB), ranks.get(chosen.token_id), chosen.token)
    tops = {
        str(top.token_id): PromptLogprob(max(top.logprob, LEAST_LOGPROB), ranks[top.token_id], top.token)
        for top in chosen.top_logprobs
        if top.token_id >= 0
    }
    return {str(chosen.token_id): own, **tops}


# --- chat -------------------------------------------------------------------------------------------------------------------


class ChoiceLogprobs(Struct, frozen=True):
    content: list[TokenLogprob]
    refusal: None = None


class CalledFunction(Struct, frozen=True):
    name: str
    arguments: str


class CalledTool(Struct, frozen=True):
    id: str
    type: Literal["function"]
    function: CalledFunction

    @classmethod
    def of(cls, call: ToolCall) -> CalledTool:
        return cls(call.id, "function", CalledFunction(call.function.name, call.function.arguments))


class AssistantMessage(Struct, frozen=True):
    """`content` is null only where the model called tools and said nothing."""

    content: str | None
    role: Literal["assistant"] = "assistant"
    refusal: None = None
    tool_calls: list[CalledTool] | msgspec.UnsetType = msgspec.UNSET
    reasoning_content: str | msgspec.UnsetType = msgspec.UNSET


class ChatChoice(Struct, frozen=True):
    index: int
    message: AssistantMessage
    logprobs: ChoiceLogprobs | None
    finish_reason: FinishReason


class ChatCompletion(Struct, frozen=True):
    """Answer of POST /v1/chat/completions."""

    id: str
    created: int
    model: str
    system_fingerprint: str
    choices: list[ChatChoice]
    usage: CompletionUsage
    object: Literal["chat.completion"] = "chat.completion"
    prompt_logprobs: PromptLogprobs | msgspec.UnsetType = msgspec.UNSET


class FunctionDelta(Struct, frozen=True, omit_defaults=True):
    arguments: str
    name: str | None = None


class CalledToolDelta(Struct, frozen=True, omit_defaults=True):
    """A piece of call `index`; the first has its id and name."""

    index: int
    function: FunctionDelta
    id: str | None = None
    type: Literal["function"] | None = None


class MessageDelta(Struct, frozen=True, omit_defaults=True):
    role: Literal["assistant"] | None = None
    content: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[CalledToolDelta] | None = None


class ChatChunkChoice(Struct, frozen=True):
    index: int
    delta: MessageDelta
    logprobs: ChoiceLogprobs | None = None
    finish_reason: FinishReason | None = None


class ChatCompletionChunk(Struct, frozen=True):
    """One event of a streamed chat. `usage` is there only if asked for: null, and in the last chunk the numbers."""

    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    system_fingerprint: str
    choices: list[ChatChunkChoice]
    usage: CompletionUsage | msgspec.UnsetType | None = msgspec.UNSET


# --- completions ------------------------------------------------------------------------------------------------------------


class CompletionLogprobs(Struct, frozen=True):
    """Lists of one entry a token; `text_offset` counts characters from the beginning of the choice's text.

    Of an echoed prompt's first token nothing is known: its entries are null.
    """

    text_offset: list[int]
    token_logprobs: list[float | None]
    tokens: list[str]
    top_logprobs: list[dict[str, float] | None] | None

    @classmethod
    def of(cls, logprobs: list[TokenLogprob], text_length: int, start: int = 0) -> CompletionLogprobs:
        """Of the tokens that end a text of `text_length` characters, which itself begins at `start`."""
        # An echoed prompt stands before the tokens without having any.
        position = start + max(0, text_length - sum(len(logprob.token) for logprob in logprobs))
        offsets = []
        for logprob in logprobs:
            offsets.append(position)
            position += len(logprob.token)
        known = [None if math.isnan(logprob.logprob) else logprob for logprob in logprobs]
        tops = [{top.token: top.logprob for top in each.top_logprobs} if each is not None else None for each in known]
        return cls(
            offsets,
            [each.logprob if each is not None else None for each in known],
            [logprob.token for logprob in logprobs],
            tops if any(tops) else None,
        )


class CompletionChoice(Struct, frozen=True):
    index: int
    text: str
    logprobs: CompletionLogprobs | None = None
    finish_reason: FinishReason | None = None
    prompt_logprobs: PromptLogprobs | msgspec.UnsetType = msgspec.UNSET


class Completion(Struct, frozen=True):
    """Answer of POST /v1/completions; each event of a stream is one too. `usage` as in a chat's chunk."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    system_fingerprint: str
    choices: list[CompletionChoice]
    usage: CompletionUsage | msgspec.UnsetType | None = msgspec.UNSET


# --- embeddings, models, tokens ---------------------------------------------------------------------------------------------


class Embedding(Struct, frozen=True):
    """`embedding` is a list of numbers, or the base64 of little-endian float32."""

    index: int
    embedding: list[float] | str
    object: Literal["embedding"] = "embedding"


class EmbeddingList(Struct, frozen=True):
    """Answer of POST /v1/embeddings."""

    data: list[Embedding]
    model: str
    usage: EmbeddingUsage
    object: Literal["list"] = "list"


class Model(Struct, frozen=True):
    """OpenAI's four fields, then ours.

    Attributes:
        reason: Why the model is not READY.
        max_model_len: In tokens.
        version_aliases: The numbers of its versions that have aliases, by these.
        interface_digest: The same for as long as what clients are written against stays; null before that is known.
    """

    id: str
    created: int
    owned_by: str
    aliases: list[str]
    state: VersionState
    reason: str | None
    version: int
    tasks: list[Task]
    backend: str
    max_model_len: int | None
    version_aliases: dict[str, int] = {}
    interface_digest: str | None = None
    object: Literal["model"] = "model"


class ModelList(Struct, frozen=True):
    """Answer of GET /v1/models."""

    data: list[Model]
    object: Literal["list"] = "list"


class Tokenized(Struct, frozen=True):
    """Answer of POST /tokenize."""

    tokens: list[int]
    count: int
    max_model_len: int
    token_strs: list[str] | None


class Detokenized(Struct, frozen=True):
    """Answer of POST /detokenize."""

    prompt: str
