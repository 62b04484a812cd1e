"""What a call can be told beside what it is about: keyword arguments, all of which may be left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict

from jubako_client.conversation import Tool, ToolChoice

__all__ = ["CallOptions", "ChatOptions", "CompletionOptions", "Sampling"]


class CallOptions(TypedDict, total=False):
    """For every call."""

    timeout_s: float | None
    """Seconds until the call must have ended, retries included; None for any time. Default: the client's."""
    retries: int
    """How often the call is made again where that is safe. Default: the client's."""
    request_id: str
    """Names the request in the server's log. Default: a fresh one."""
    traceparent: str
    """The trace that the call belongs to, as in https://www.w3.org/TR/trace-context/#traceparent-header. Default: none."""


class Sampling(CallOptions, total=False):
    """How tokens are drawn. What is left out takes the model's own default."""

    max_tokens: int
    """Most tokens to generate, at least 1. Default for chats: what the context has left; for completions 16."""
    temperature: float
    """Spread of the distribution, from 0, which is greedy. The neutral value is 1."""
    top_p: float
    """Smallest set of tokens with this much probability, above 0 and at most 1."""
    top_k: int
    """How many of the most likely tokens to choose from; 0 and -1 are all of them."""
    min_p: float
    """Least probability relative to that of the most likely token, from 0 to 1."""
    presence_penalty: float
    """Taken off the logit of every token that has appeared; a negative value encourages."""
    frequency_penalty: float
    """Taken off the logit of a token once for each appearance."""
    repetition_penalty: float
    """Divides the logits of tokens that have appeared, above 0."""
    seed: int
    """Repeats a sampled answer. Without it each answer is drawn afresh."""
    logit_bias: Mapping[int, float]
    """Added to the logits of these token ids, each from -100 to 100."""
    stop: str | Sequence[str]
    """Strings that end the answer, at most 16; they are not part of it."""
    stop_token_ids: Sequence[int]
    """Token ids that end the answer, at most 64."""
    include_stop_str_in_output: bool
    """Keep the stop string in the text. Default False."""
    ignore_eos: bool
    """Go on after the end-of-sequence token. Default False."""
    n: int
    """Answers to draw, of each prompt, from 1 to 128. Default 1."""
    json_object: bool
    """The text must be one JSON object. Default False. Give at most one of this, `json_schema` and `grammar`."""
    json_schema: Mapping[str, object]
    """A JSON Schema that the text must meet."""
    grammar: str
    """A grammar in GBNF, llama.cpp's notation, that the text must match."""
    top_logprobs: int
    """Give the log probability of each token, and so many of the most likely ones at each place, from 0 to 20."""
    prompt_logprobs: int
    """The same for the tokens of the prompt, by engines that score it."""


class ChatOptions(Sampling, total=False):
    """For chats."""

    tools: Sequence[Tool]
    """Functions that the model may call, at most 128."""
    tool_choice: ToolChoice
    """Which of them it may or must call. Default: the model decides."""
    parallel_tool_calls: bool
    """Whether an answer may hold more than one call. Default True."""
    chat_template_kwargs: Mapping[str, object]
    """Variables for the model's chat template."""
    reasoning_effort: str
    """Given to the chat template as its variable reasoning_effort, such as "low"."""


class CompletionOptions(Sampling, total=False):
    """For completions."""

    echo: bool
    """Begin each text with its prompt. Default False."""
