"""Requests in the words of Anthropic's messages API (https://docs.anthropic.com/en/api/messages)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from jubako.backends.upstream.client import Body
from jubako.errors import InvalidRequest, Unsupported
from jubako.messages import (
    ChatRequest,
    ImagePart,
    JsonSchema,
    Message,
    NamedTool,
    RefusalPart,
    SamplingParams,
    TextPart,
    ToolCall,
)

_encode = msgspec.json.Encoder().encode

_NEUTRAL: Mapping[str, Sequence[object]] = {
    "min_p": (0,),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "repetition_penalty": (1,),
    "seed": (),
    "logit_bias": ({},),
    "stop_token_ids": ([],),
    "include_stop_str_in_output": (False,),
    "ignore_eos": (False,),
}
"""Sampling parameters that this API does not have, each with the values that change nothing."""

_DATA_URL = re.compile(r"data:(?P<type>[\w./+-]+);base64,(?P<data>.*)", re.DOTALL)

Block = dict[str, Any]


class Wording:
    """Says chats as Anthropic's API understands them.

    Args:
        title: The provider, for messages.
        max_tokens: The limit where neither the request nor the entry has one.
        defaults: The entry's own sampling parameters.
        extra: Fields of every body.
    """

    def __init__(self, title: str, max_tokens: int, defaults: SamplingParams, extra: Mapping[str, Any]) -> None:
        self._title = title
        self._max_tokens = max_tokens
        self._defaults = defaults
        self._extra = dict(extra)

    def chat(self, request: ChatRequest, *, stream: bool) -> Body:
        """Raises InvalidRequest."""
        if request.n > 1:
            raise self._unsupported("n")
        if request.top_logprobs is not None:
            raise self._unsupported("logprobs")
        if request.prompt_logprobs is not None:
            raise self._unsupported("prompt_logprobs")
        body: dict[str, Any] = {"messages": turns(request.messages)}
        if system := _system(request.messages):
            body["system"] = system
        self._add_sampling(body, request.sampling.over(self._defaults))
        if request.tools:
            _add_tools(body, request)
        self._add_output(body, request)
        if stream:
            body["stream"] = True
        rest = _encode({**body, **self._extra})[1:]

        def of(model: str) -> bytes:
            return b'{"model":' + _encode(model) + b"," + rest

        return of

    def check(self, sampling: SamplingParams) -> None:
        """Raises Unsupported where a parameter can't be sent."""
        self._add_sampling({}, sampling)

    def _add_sampling(self, body: dict[str, Any], sampling: SamplingParams) -> None:
        for name, neutral in _NEUTRAL.items():
            if (value := getattr(sampling, name)) is not None and value not in neutral:
                raise self._unsupported(name)
        body["max_tokens"] = sampling.max_tokens or self._max_tokens
        if sampling.temperature is not None:
            body["temperature"] = sampling.temperature
        if sampling.top_p is not None:
            body["top_p"] = sampling.top_p
        if sampling.top_k is not None and sampling.top_k > 0:
            body["top_k"] = sampling.top_k
        if sampling.stop:
            body["stop_sequences"] = sampling.stop

    def _add_output(self, body: dict[str, Any], request: ChatRequest) -> None:
        """What the answer must be, and how much thought goes into it."""
        output: dict[str, Any] = {}
        if isinstance(request.constraint, JsonSchema):
            output["format"] = {"type": "json_schema", "schema": request.constraint.schema}
        elif request.constraint is not None:
            raise self._unsupported("response_format", "other than a schema")
        for name, value in request.template_kwargs.items():
            if name == "reasoning_effort":
                output["effort"] = value
            elif name == "thinking":
                body["thinking"] = value
            else:
                raise self._unsupported("chat_template_kwargs", "but `thinking`")
        if output:
            body["output_config"] = output

    def _unsupported(self, name: str, more: str = "") -> Unsupported:
        return Unsupported(f"{self._title} does not take {name!r}{' ' + more if more else ''}. Leave it out.", param=name)


def turns(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """The conversation without its system messages, as turns of user and assistant in alternation.

    Raises:
        InvalidRequest: a part of it has no equal there.
    """
    made: list[dict[str, Any]] = []
    for place, message in enumerate(messages):
        if message.role in ("system", "developer"):
            continue
        role = "assistant" if message.role == "assistant" else "user"
        blocks = _blocks(message, place)
        if not blocks:
            continue
        if made and made[-1]["role"] == role:
            made[-1]["content"] += blocks
        else:
            made.append({"role": role, "content": blocks})
    if not made:
        raise InvalidRequest("The conversation needs a message of the user.", param="messages")
    return made


def _system(messages: Sequence[Message]) -> str:
    texts: list[str] = []
    for message in messages:
        if message.role in ("system", "developer"):
            if isinstance(message.content, list):
                texts += [part.text for part in message.content if isinstance(part, TextPart)]
            else:
                texts.append(message.content or "")
    return "\n\n".join(filter(None, texts))


def _blocks(message: Message, place: int) -> list[Block]:
    if message.role == "tool":
        return [{"type": "tool_result", "tool_use_id": message.tool_call_id, "content": _content(message, place)}]
    return _content(message, place) + [_use(call, place) for call in message.tool_calls or ()]


def _content(message: Message, place: int) -> list[Block]:
    content = message.content if message.content is not None else message.refusal
    if not isinstance(content, list):
        return [{"type": "text", "text": content}] if content else []
    blocks: list[Block] = []
    for number, part in enumerate(content):
        if isinstance(part, ImagePart):
            blocks.append(_image(part.image_url.url, f"messages[{place}].content[{number}].image_url.url"))
        elif text := part.refusal if isinstance(part, RefusalPart) else part.text:
            blocks.append({"type": "text", "text": text})
    return blocks


def _image(url: str, param: str) -> Block:
    if match := _DATA_URL.fullmatch(url):
        return {"type": "image", "source": {"type": "base64", "media_type": match["type"], "data": match["data"]}}
    if url.startswith("data:"):
        raise InvalidRequest("An image in a data URL must be base64, as in data:image/png;base64,...", param=param)
    return {"type": "image", "source": {"type": "url", "url": url}}


def _use(call: ToolCall, place: int) -> Block:
    try:
        arguments: object = msgspec.json.decode(call.function.arguments or "{}")
    except msgspec.DecodeError:
        arguments = None
    if not isinstance(arguments, dict):
        raise InvalidRequest(
            f"The arguments of the call {call.id!r} must be a JSON object for this model.", param=f"messages[{place}].tool_calls"
        )
    return {"type": "tool_use", "id": call.id, "name": call.function.name, "input": arguments}


def _add_tools(body: dict[str, Any], request: ChatRequest) -> None:
    body["tools"] = [
        {
            "name": tool.function.name,
            **({"description": tool.function.description} if tool.function.description else {}),
            "input_schema": tool.function.parameters or {"type": "object", "properties": {}},
        }
        for tool in request.tools
    ]
    choice: dict[str, Any]
    match request.tool_choice:
        case NamedTool(function=function):
            choice = {"type": "tool", "name": function.name}
        case "required":
            choice = {"type": "any"}
        case said:
            choice = {"type": said}
    if not request.parallel_tool_calls and choice["type"] != "none":
        choice["disable_parallel_tool_use"] = True
    if choice != {"type": "auto"}:
        body["tool_choice"] = choice
