"""What chats and completions answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from jubako_client._protos import jubako_v1 as pb
from jubako_client.conversation import Message, ToolCall

__all__ = [
    "ChatAnswer",
    "ChatChoice",
    "ChatDelta",
    "CompletionAnswer",
    "CompletionChoice",
    "CompletionDelta",
    "FinishReason",
    "TokenLogprob",
    "ToolCallDelta",
    "TopLogprob",
    "Usage",
]

FinishReason: TypeAlias = Literal["stop", "length", "tool_calls", "content_filter"]
"""Why an answer ended."""

_FINISH_REASONS: Final[dict[int, FinishReason]] = {
    pb.FINISH_REASON_STOP: "stop",
    pb.FINISH_REASON_LENGTH: "length",
    pb.FINISH_REASON_TOOL_CALLS: "tool_calls",
    pb.FINISH_REASON_CONTENT_FILTER: "content_filter",
}


@dataclass(frozen=True)
class Usage:
    """Tokens that a request cost, counted by the engine."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True)
class TopLogprob:
    """A token that might have stood at a place; `token_id` is None where the engine does not tell."""

    token: str
    logprob: float
    token_bytes: bytes
    token_id: int | None = None


@dataclass(frozen=True)
class TokenLogprob(TopLogprob):
    """A token that was generated, or that stood in the prompt, and the most likely ones at its place."""

    top_logprobs: list[TopLogprob] = field(default_factory=list)


@dataclass(frozen=True)
class ToolCallDelta:
    """A piece of a tool call: `id` and `name` come with its first piece only."""

    index: int
    id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class ChatDelta:
    """What one of the answers gained.

    Attributes:
        index: Which answer.
        finish_reason: Why it ended, in its last delta; None in the others.
    """

    index: int
    text: str
    reasoning: str
    tool_calls: list[ToolCallDelta]
    logprobs: list[TokenLogprob]
    finish_reason: FinishReason | None
    prompt_logprobs: list[TokenLogprob]


@dataclass(frozen=True)
class CompletionDelta:
    """What one of the continuations gained."""

    index: int
    text: str
    logprobs: list[TokenLogprob]
    finish_reason: FinishReason | None
    prompt_logprobs: list[TokenLogprob]


@dataclass(frozen=True)
class ChatChoice:
    """One of the answers. `finish_reason` is None in a stream that was left before its end."""

    index: int
    text: str
    reasoning: str
    tool_calls: list[ToolCall]
    finish_reason: FinishReason | None
    logprobs: list[TokenLogprob]

    @property
    def message(self) -> Message:
        """The turn, to go on with the conversation."""
        said = self.text if self.text or not self.tool_calls else None
        return Message(role="assistant", content=said, tool_calls=self.tool_calls, reasoning=self.reasoning or None)


@dataclass(frozen=True)
class ChatAnswer:
    """The answer to a chat. What is asked of it, rather than of one of its choices, is that of the first."""

    id: str
    model: str
    version: int
    choices: list[ChatChoice]
    usage: Usage
    prompt_logprobs: list[TokenLogprob]

    @property
    def text(self) -> str:
        return self.choices[0].text

    @property
    def reasoning(self) -> str:
        return self.choices[0].reasoning

    @property
    def tool_calls(self) -> list[ToolCall]:
        return self.choices[0].tool_calls

    @property
    def finish_reason(self) -> FinishReason | None:
        return self.choices[0].finish_reason

    @property
    def message(self) -> Message:
        return self.choices[0].message


@dataclass(frozen=True)
class CompletionChoice:
    """One continuation: that of prompt p and draw i has the index p * n + i."""

    index: int
    text: str
    finish_reason: FinishReason | None
    logprobs: list[TokenLogprob]
    prompt_logprobs: list[TokenLogprob]


@dataclass(frozen=True)
class CompletionAnswer:
    """The continuations of all prompts. `text` and `finish_reason` are those of the first."""

    id: str
    model: str
    version: int
    choices: list[CompletionChoice]
    usage: Usage

    @property
    def text(self) -> str:
        return self.choices[0].text

    @property
    def finish_reason(self) -> FinishReason | None:
        return self.choices[0].finish_reason


def usage(given: pb.Usage) -> Usage:
    return Usage(given.prompt_tokens, given.completion_tokens, given.cached_tokens, given.reasoning_tokens)


def chat_answer(given: pb.ChatResponse) -> ChatAnswer:
    choices = [
        ChatChoice(
            index=choice.index,
            text=_said(choice.message.content),
            reasoning=choice.message.reasoning,
            tool_calls=[ToolCall(call.id, call.name, call.arguments) for call in choice.message.tool_calls],
            finish_reason=_finish_reason(choice.finish_reason),
            logprobs=_logprobs(choice.logprobs),
        )
        for choice in given.choices
    ]
    return ChatAnswer(given.id, given.model, given.version, choices, usage(given.usage), _logprobs(given.prompt_logprobs))


def completion_answer(given: pb.CompletionResponse) -> CompletionAnswer:
    choices = [
        CompletionChoice(
            choice.index,
            choice.text,
            _finish_reason(choice.finish_reason),
            _logprobs(choice.logprobs),
            _logprobs(choice.prompt_logprobs),
        )
        for choice in given.choices
    ]
    return CompletionAnswer(given.id, given.model, given.version, choices, usage(given.usage))


def chat_delta(given: pb.ChatDelta) -> ChatDelta:
    return ChatDelta(
        index=given.index,
        text=given.text,
        reasoning=given.reasoning,
        tool_calls=[ToolCallDelta(call.index, call.id, call.name, call.arguments) for call in given.tool_calls],
        logprobs=_logprobs(given.logprobs),
        finish_reason=_finish_reason(given.finish_reason),
        prompt_logprobs=_logprobs(given.prompt_logprobs),
    )


def completion_delta(given: pb.CompletionDelta) -> CompletionDelta:
    return CompletionDelta(
        index=given.index,
        text=given.text,
        logprobs=_logprobs(given.logprobs),
        finish_reason=_finish_reason(given.finish_reason),
        prompt_logprobs=_logprobs(given.prompt_logprobs),
    )


def _finish_reason(given: int) -> FinishReason | None:
    return _FINISH_REASONS.get(given)


def _logprobs(given: Iterable[pb.TokenLogprob]) -> list[TokenLogprob]:
    return [
        TokenLogprob(token.token, token.logprob, token.token_bytes, _token_id(token), [_top(top) for top in token.top_logprobs])
        for token in given
    ]


def _said(parts: Sequence[pb.ContentPart]) -> str:
    return "".join(part.text or part.refusal for part in parts)


def _top(given: pb.TopLogprob) -> TopLogprob:
    return TopLogprob(given.token, given.logprob, given.token_bytes, _token_id(given))


def _token_id(given: pb.TopLogprob | pb.TokenLogprob) -> int | None:
    return given.token_id if given.HasField("token_id") else None
