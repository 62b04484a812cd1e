"""What front ends ask."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from jubako.messages.chat import Message, Tool, ToolChoice
from jubako.messages.sampling import Constraint, Prompt, SamplingParams, TokenIds
from jubako.tensors import Region, Tensor

Task = Literal["chat", "completion", "embedding", "score", "classify", "infer"]


class ChatRequest(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="chat"):
    """Answer a conversation. `n` choices, each drawn on its own; `top_logprobs` is None where none were asked for.

    `prompt_logprobs` asks for the log probabilities of the prompt's tokens, with so many alternatives each, on the first choice.
    """

    model: str
    messages: list[Message]
    sampling: SamplingParams = SamplingParams()
    n: int = 1
    tools: list[Tool] = []
    tool_choice: ToolChoice = "auto"
    parallel_tool_calls: bool = True
    constraint: Constraint | None = None
    top_logprobs: int | None = None
    template_kwargs: dict[str, Any] = {}
    prompt_logprobs: int | None = None


class CompletionRequest(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="complete"):
    """Continue each prompt `n` times; the choice of prompt ``p`` and draw ``i`` has index ``p * n + i``.

    `prompt_logprobs` asks for the log probabilities of the prompt's tokens, with so many alternatives each, on every choice.
    """

    model: str
    prompts: list[Prompt]
    sampling: SamplingParams = SamplingParams()
    n: int = 1
    echo: bool = False
    constraint: Constraint | None = None
    top_logprobs: int | None = None
    prompt_logprobs: int | None = None


class EmbedRequest(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="embed"):
    """One vector for each input; `dimensions` keeps the first so many and normalises again."""

    model: str
    inputs: list[Prompt]
    dimensions: int | None = None


class ScoreRequest(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="score"):
    """How well documents answer queries: one score for each pair.

    Attributes:
        queries: As many as there are documents, or a single one, which is paired with each of them.
    """

    model: str
    queries: list[str]
    documents: list[str]


class ClassifyRequest(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="classify"):
    """The probabilities of the model's classes, for each input."""

    model: str
    inputs: list[Prompt]


class TokenizeRequest(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="tokenize"):
    """Token ids of `text`, or of `messages` as the chat template renders them."""

    model: str
    text: str | None = None
    messages: list[Message] | None = None
    add_special_tokens: bool = True
    with_pieces: bool = False


class DetokenizeRequest(Struct, frozen=True, kw_only=True, tag="detokenize"):
    model: str
    tokens: TokenIds


Parameter = bool | int | float | str
"""A value that the Open Inference Protocol lets a request or an answer carry beside its tensors."""


class RequestedOutput(Struct, frozen=True, array_like=True):
    """An output that the caller wants.

    Attributes:
        classes: 0 for the tensor itself; else the so many highest values along its last axis, as BYTES ``value:index:label``.
        region: Where in shared memory to write it; its result then has no contents.
    """

    name: str
    classes: int = 0
    region: Region | None = None


class InferRequest(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="infer"):
    """Tensors in, tensors out.

    Attributes:
        outputs: Those wanted; empty for all.
        parameters: What the model itself may want to know. Requests with different ones never share a batch.
        priority: 1 is the highest level; 0 the model's default one.
        timeout_us: Longest wait in the queue, in microseconds; 0 leaves it to the model.
    """

    model: str
    inputs: list[Tensor]
    outputs: list[RequestedOutput] = []
    parameters: dict[str, Parameter] = {}
    priority: int = 0
    timeout_us: int = 0


class StatisticsRequest(Struct, frozen=True, kw_only=True, tag="statistics"):
    """What has an instance done since it was loaded?"""

    model: str


Request = (
    ChatRequest
    | CompletionRequest
    | EmbedRequest
    | ScoreRequest
    | ClassifyRequest
    | TokenizeRequest
    | DetokenizeRequest
    | InferRequest
    | StatisticsRequest
)
GenerateRequest = ChatRequest | CompletionRequest
