"""Requests in the words of OpenAI's API (https://platform.openai.com/docs/api-reference), as a provider wants them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from jubako.backends.upstream.client import Body
from jubako.backends.upstream.presets import Preset
from jubako.errors import Unsupported
from jubako.messages import (
    ChatRequest,
    CompletionRequest,
    Constraint,
    GenerateRequest,
    JsonObject,
    JsonSchema,
    Message,
    SamplingParams,
    ToolCall,
)

_encode = msgspec.json.Encoder().encode

_STANDARD = ("temperature", "top_p", "presence_penalty", "frequency_penalty", "seed", "logit_bias", "stop")
"""Sampling parameters of OpenAI's own, besides the limit of tokens."""

_EXTENSIONS: Mapping[str, Sequence[object]] = {
    "top_k": (-1, 0),
    "min_p": (0,),
    "repetition_penalty": (1,),
    "stop_token_ids": ([],),
    "include_stop_str_in_output": (False,),
    "ignore_eos": (False,),
}
"""Sampling parameters beyond those, each with the values that change nothing, so that nobody needs to know them."""


class Wording:
    """Says requests as one provider understands them.

    Args:
        preset: The provider.
        fields: Fields that the entry says it takes besides.
        defaults: The entry's own sampling parameters, for requests that leave them out.
        extra: Fields of every body.
    """

    def __init__(self, preset: Preset, fields: Sequence[str], defaults: SamplingParams, extra: Mapping[str, Any]) -> None:
        self._preset = preset
        self._fields = {*preset.fields, *fields}
        self._refused = set(preset.refuses).difference(fields)
        self._defaults = defaults
        self._extra = dict(extra)

    def chat(self, request: ChatRequest, *, stream: bool) -> Body:
        """Raises Unsupported."""
        body: dict[str, Any] = {"messages": self.messages(request.messages)}
        self._add_common(body, request, stream=stream)
        if request.tools:
            self._add_tools(body, request)
        if request.top_logprobs is not None:
            body["logprobs"] = self._allowed("logprobs", True)
            body["top_logprobs"] = request.top_logprobs
        self._add_template_kwargs(body, request.template_kwargs)
        return self.body(body)

    def completion(self, request: CompletionRequest, *, stream: bool) -> Body:
        """Raises Unsupported."""
        body: dict[str, Any] = {"prompt": request.prompts[0] if len(request.prompts) == 1 else request.prompts}
        self._add_common(body, request, stream=stream)
        if "max_completion_tokens" in body:  # a field of chats alone
            body["max_tokens"] = body.pop("max_completion_tokens")
        if request.echo:
            body["echo"] = self._allowed("echo", True)
        if request.top_logprobs is not None:
            body["logprobs"] = self._allowed("logprobs", request.top_logprobs)
        return self.body(body)

    def messages(self, messages: Sequence[Message]) -> list[dict[str, Any]]:
        return [self._message(message) for message in messages]

    def body(self, fields: Mapping[str, Any]) -> Body:
        """A body of these fields and the entry's own."""
        return self.plain_body({**fields, **self._extra})

    def plain_body(self, fields: Mapping[str, Any]) -> Body:
        """A body of these fields, encoded but for the model, which each upstream may call otherwise."""
        rest = _encode(fields)[1:]

        def of(model: str) -> bytes:
            return b'{"model":' + _encode(model) + b"," + rest

        return of

    def check(self, sampling: SamplingParams) -> None:
        """Raises Unsupported where a parameter can't be sent."""
        self._add_sampling({}, sampling)

    def _add_common(self, body: dict[str, Any], request: GenerateRequest, *, stream: bool) -> None:
        self._add_sampling(body, request.sampling.over(self._defaults))
        if request.prompt_logprobs is not None:
            if "prompt_logprobs" not in self._fields:
                raise self._unsupported("prompt_logprobs")
            body["prompt_logprobs"] = request.prompt_logprobs
        if request.n > 1:
            body["n"] = self._allowed("n", request.n)
        if request.constraint is not None:
            self._add_constraint(body, request.constraint)
        if stream:
            body["stream"] = True
            if self._preset.usage_in_stream:
                body["stream_options"] = {"include_usage": True}

    def _add_sampling(self, body: dict[str, Any], sampling: SamplingParams) -> None:
        preset = self._preset
        if sampling.max_tokens is not None:
            body[preset.max_tokens_field] = sampling.max_tokens
        for name in _STANDARD:
            if (value := getattr(sampling, name)) is not None:
                body[preset.names.get(name, name)] = self._allowed(name, value)
        for name, neutral in _EXTENSIONS.items():
            value = getattr(sampling, name)
            if value is None or (name not in self._fields and value in neutral):
                continue
            if name not in self._fields:
                raise self._unsupported(name)
            body[preset.names.get(name, name)] = value

    def _add_tools(self, body: dict[str, Any], request: ChatRequest) -> None:
        body["tools"] = request.tools
        if request.tool_choice != "auto":
            body["tool_choice"] = self._allowed("tool_choice", request.tool_choice)
        if not request.parallel_tool_calls:
            body["parallel_tool_calls"] = self._allowed("parallel_tool_calls", False)

    def _add_constraint(self, body: dict[str, Any], constraint: Constraint) -> None:
        preset = self._preset
        match constraint:
            case JsonObject():
                body["response_format"] = {"type": "json_object"}
            case JsonSchema(schema=schema):
                if not preset.json_schema:
                    raise self._unsupported("response_format", "as a schema; it takes `json_object`")
                named: dict[str, Any] = {"name": "answer", "schema": schema}
                if _is_closed(schema):
                    named["strict"] = True
                body["response_format"] = {"type": "json_schema", "json_schema": named}
            case _:
                if not preset.grammar:
                    raise self._unsupported("grammar")
                structured = preset.grammar == "structured_outputs"
                body[preset.grammar] = {"grammar": constraint.gbnf} if structured else constraint.gbnf

    def _add_template_kwargs(self, body: dict[str, Any], kwargs: Mapping[str, Any]) -> None:
        """Arguments of the chat template: those that are fields of the provider's as such, the others together."""
        rest = {}
        for name, value in kwargs.items():
            if name in self._fields and name != "chat_template_kwargs":
                body[name] = value
            else:
                rest[name] = value
        if rest and "chat_template_kwargs" not in self._fields:
            name = next(iter(rest))
            raise self._unsupported(name if name == "reasoning_effort" else "chat_template_kwargs")
        if rest:
            body["chat_template_kwargs"] = rest

    def _message(self, message: Message) -> dict[str, Any]:
        role = "system" if message.role == "developer" and not self._preset.developer_role else message.role
        said: dict[str, Any] = {"role": role, "content": message.content}
        if message.name is not None:
            said["name"] = message.name
        if message.tool_calls:
            said["tool_calls"] = [_call(call) for call in message.tool_calls]
        if message.tool_call_id is not None:
            said["tool_call_id"] = message.tool_call_id
        if message.refusal is not None and self._preset.developer_role:
            said["refusal"] = message.refusal
        if message.reasoning_content is not None and self._preset.reasoning_field:
            said[self._preset.reasoning_field] = message.reasoning_content
        return said

    def _allowed(self, name: str, value: Any) -> Any:
        """`value`, if the provider takes the field."""
        if name in self._refused:
            raise self._unsupported(name)
        return value

    def _unsupported(self, name: str, more: str = "") -> Unsupported:
        hint = ""
        if self._preset.name == "compatible":
            hint = " If it does, its entry can say so: name its `provider`, or list the field under `fields`."
        return Unsupported(
            f"{self._preset.title[0].upper()}{self._preset.title[1:]} does not take {name!r}{' ' + more if more else ''}, as far "
            f"as is known. Leave it out.{hint}",
            param=name,
        )


def _call(call: ToolCall) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": call.function}


def _is_closed(schema: Any) -> bool:
    """Whether OpenAI's strict mode takes a schema: every object names all its properties, requires all, allows no other."""
    if isinstance(schema, list):
        return all(map(_is_closed, schema))
    if not isinstance(schema, dict):
        return True
    properties = schema.get("properties")
    if (schema.get("type") == "object" or properties is not None) and (
        schema.get("additionalProperties") is not False or set(schema.get("required", ())) != set(properties or ())
    ):
        return False
    return all(_is_closed(value) for key, value in schema.items() if key not in ("enum", "const", "default", "required"))
