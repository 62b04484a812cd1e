"""What backends answer: events of a stream, and results."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

from jubako.messages.chat import FunctionCall, ToolCall
from jubako.messages.requests import Parameter
from jubako.messages.sampling import TokenIds
from jubako.messages.statistics import StatisticsResult
from jubako.tensors import Tensor

FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]


class TopLogprob(Struct, frozen=True, omit_defaults=True):
    """`bytes` is the token's own bytes, which need not be whole characters; `logprob` is a natural logarithm.

    `token_id` is -1 where the engine does not tell.
    """

    token: str
    logprob: float
    bytes: list[int]
    token_id: int = -1


class TokenLogprob(Struct, frozen=True):
    token: str
    logprob: float
    bytes: list[int]
    top_logprobs: list[TopLogprob]
    token_id: int = -1


class ToolCallDelta(Struct, frozen=True, omit_defaults=True):
    """A piece of tool call `index`: `id` and `name` come once, first; `arguments` pieces join to JSON text."""

    index: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""


class Delta(Struct, frozen=True, omit_defaults=True, tag="delta"):
    """What choice `index` gained. `finish_reason` is set on the choice's last delta and on no other.

    `prompt_logprobs` are those of the prompt's tokens, where they were asked for; that of the first is NaN, as nothing came
    before it.
    """

    index: int
    text: str = ""
    reasoning: str = ""
    tool_calls: list[ToolCallDelta] = []
    logprobs: list[TokenLogprob] = []
    finish_reason: FinishReason | None = None
    prompt_logprobs: list[TokenLogprob] = []


class Usage(Struct, frozen=True, omit_defaults=True, tag="usage"):
    """Tokens, counted by the engine. `cached_tokens` of the prompt were not computed again."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0


class Timings(Struct, frozen=True, omit_defaults=True, tag="timings"):
    """Seconds, measured in the instance. `gaps_s` are the times between arrivals of text after the first, of all choices."""

    queue_s: float = 0.0
    first_token_s: float | None = None
    gaps_s: list[float] = []


GenerateEvent = Delta | Usage | Timings
"""A stream is any number of deltas, then one Usage, then one Timings."""


class Choice(Struct, frozen=True, omit_defaults=True):
    index: int
    text: str = ""
    reasoning: str = ""
    tool_calls: list[ToolCall] = []
    logprobs: list[TokenLogprob] = []
    finish_reason: FinishReason = "stop"
    prompt_logprobs: list[TokenLogprob] = []


class GenerateResult(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="generated"):
    """The whole answer to a chat or a completion: by construction the sum of its stream."""

    choices: list[Choice]
    usage: Usage = Usage()
    timings: Timings = Timings()

    @classmethod
    def from_events(cls, events: Iterable[GenerateEvent]) -> GenerateResult:
        deltas: dict[int, list[Delta]] = {}
        usage, timings = Usage(), Timings()
        for event in events:
            if isinstance(event, Delta):
                deltas.setdefault(event.index, []).append(event)
            elif isinstance(event, Usage):
                usage = event
            else:
                timings = event
        return cls(choices=[_join(index, deltas[index]) for index in sorted(deltas)], usage=usage, timings=timings)


def _join(index: int, deltas: list[Delta]) -> Choice:
    calls: dict[int, list[ToolCallDelta]] = {}
    for delta in deltas:
        for piece in delta.tool_calls:
            calls.setdefault(piece.index, []).append(piece)
    return Choice(
        index=index,
        text="".join(delta.text for delta in deltas),
        reasoning="".join(delta.reasoning for delta in deltas),
        tool_calls=[_join_call(calls[i]) for i in sorted(calls)],
        logprobs=[logprob for delta in deltas for logprob in delta.logprobs],
        finish_reason=deltas[-1].finish_reason or "stop",
        prompt_logprobs=[logprob for delta in deltas for logprob in delta.prompt_logprobs],
    )


def _join_call(pieces: list[ToolCallDelta]) -> ToolCall:
    return ToolCall(
        id=next((piece.id for piece in pieces if piece.id), ""),
        function=FunctionCall(
            name="".join(piece.name or "" for piece in pieces),
            arguments="".join(piece.arguments for piece in pieces),
        ),
    )


class EmbedResult(Struct, frozen=True, kw_only=True, tag="embedded"):
    """`vectors[i]` is input i's embedding as little-endian float32, shape [dimensions]."""

    vectors: list[bytes]
    usage: Usage = Usage()


class ScoreResult(Struct, frozen=True, kw_only=True, tag="scored"):
    """`scores[i]` is that of pair i; the higher, the better the document answers."""

    scores: list[float]
    usage: Usage = Usage()


class ClassifyResult(Struct, frozen=True, kw_only=True, tag="classified"):
    """`probabilities[i][j]` is how likely input i belongs to the class `labels[j]`."""

    labels: list[str]
    probabilities: list[list[float]]
    usage: Usage = Usage()


class TokenizeResult(Struct, frozen=True, kw_only=True, tag="tokenized"):
    """`context_length` is the most tokens that a request and its answer may hold together."""

    tokens: TokenIds
    context_length: int
    pieces: list[str] = []


class DetokenizeResult(Struct, frozen=True, kw_only=True, tag="detokenized"):
    text: str


class InferResult(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="inferred"):
    """The answer to an :class:`InferRequest`, or one of the answers of a decoupled model."""

    outputs: list[Tensor]
    parameters: dict[str, Parameter] = {}


StreamEvent = GenerateEvent | InferResult
Result = (
    GenerateResult
    | EmbedResult
    | ScoreResult
    | ClassifyResult
    | TokenizeResult
    | DetokenizeResult
    | InferResult
    | StatisticsResult
)
