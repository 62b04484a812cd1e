"""The requests of OpenAI's API, as they come.

Each is closed: a field that it does not have is refused, never ignored. The descriptions are those of ``/openapi.json``.
``request()`` makes the waist's request of it and checks what types can't say.

Fields of type None exist so that their null, which some clients send, is accepted; the `*_UNSUPPORTED` tables say why nothing
else is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from jubako.dataplane.any_json import require_few_values
from jubako.dataplane.conversation import check_messages, check_tools
from jubako.dataplane.limits import (
    COMPLETION_MAX_TOKENS,
    MAX_CHOICES,
    MAX_INPUTS,
    MAX_NAME,
    MAX_TOOLS,
    MAX_TOP_LOGPROBS,
    check_choices,
)
from jubako.errors import InvalidRequest, Unsupported
from jubako.messages import (
    ChatRequest,
    CompletionRequest,
    Constraint,
    DetokenizeRequest,
    EmbedRequest,
    Grammar,
    JsonObject,
    JsonSchema,
    Message,
    Prompt,
    SamplingParams,
    TokenId,
    TokenIds,
    TokenizeRequest,
    Tool,
    ToolChoice,
)

CHAT_UNSUPPORTED: Mapping[str, str] = {
    "audio": "The models here answer in text.",
    "modalities": "The models here answer in text: leave it out or send ['text'].",
    "functions": "Use 'tools' instead.",
    "function_call": "Use 'tool_choice' instead.",
    "web_search_options": "This server does not search the web.",
    "verbosity": "Ask for a shorter or longer answer in the messages, or set 'max_completion_tokens'.",
    "service_tier": "Leave it out, or send 'auto' or 'default': all requests are served alike.",
    "moderation": "Moderate the messages before you send them.",
}
COMPLETION_UNSUPPORTED: Mapping[str, str] = {
    "suffix": "The models here continue text and don't fill gaps.",
}

ModelName = Annotated[
    str, Meta(min_length=1, max_length=MAX_NAME, description="The model: its folder's name or one of its served names.")
]
Ignored = "Accepted and without effect here."
Refused = "Not supported: only null is accepted."


# --- what chat and completions share --------------------------------------------------------------------------------------


class StreamOptions(Struct, frozen=True, forbid_unknown_fields=True):
    """What a stream carries besides the text."""

    include_usage: Annotated[bool, Meta(description="End with a chunk that has no choices and the usage.")] | None = None
    include_obfuscation: Annotated[bool, Meta(description=Ignored)] | None = None


class StructuredOutputs(Struct, frozen=True, forbid_unknown_fields=True):
    """vLLM's way to constrain the text: one of the two."""

    json: Annotated[dict[str, Any], Meta(description="A JSON Schema that the text must meet.")] | None = None
    grammar: Annotated[str, Meta(min_length=1, description="A grammar in GBNF that the text must match.")] | None = None


Stop = (
    Annotated[str, Meta(min_length=1, description="A string that ends the answer.")]
    | Annotated[
        list[Annotated[str, Meta(min_length=1)]],
        Meta(max_length=16, description="Strings that end the answer; they are not part of it."),
    ]
    | None
)


class GenerateBody(SamplingParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Fields of chat and completions: the waist's sampling parameters, and these."""

    model: ModelName
    stop: Stop = None  # type: ignore[assignment]  # wider than the waist's: a single string is a list of one
    n: Annotated[int, Meta(ge=1, le=MAX_CHOICES, description="Answers to draw. Default 1.")] | None = None
    stream: Annotated[bool, Meta(description="Send the answer as server-sent events while it is made.")] | None = None
    stream_options: StreamOptions | None = None
    grammar: Annotated[str, Meta(min_length=1, description="Extension: a grammar in GBNF that the text must match.")] | None = (
        None
    )
    structured_outputs: StructuredOutputs | None = None
    prompt_logprobs: (
        Annotated[
            int,
            Meta(
                ge=0,
                le=MAX_TOP_LOGPROBS,
                description="Extension: give the log probability of each token of the prompt, and so many more.",
            ),
        ]
        | None
    ) = None
    user: Annotated[str, Meta(description=Ignored)] | None = None

    @property
    def include_usage(self) -> bool:
        """Whether a stream ends with its usage.

        Raises:
            InvalidRequest: stream_options without a stream.
        """
        if self.stream_options is None:
            return False
        if not self.stream:
            raise InvalidRequest("'stream_options' is only allowed when 'stream' is true.", param="stream_options")
        return bool(self.stream_options.include_usage)

    def scored_prompt(self) -> int | None:
        """How many alternatives to each token of the prompt are wanted.

        Raises:
            InvalidRequest: in a stream, whose chunks have no place for them.
        """
        if self.prompt_logprobs is not None and self.stream:
            raise InvalidRequest("'prompt_logprobs' is only allowed when 'stream' is not true.", param="prompt_logprobs")
        return self.prompt_logprobs

    def sampling(self, max_tokens: int | None) -> SamplingParams:
        """The waist's parameters, with `max_tokens` whichever field it came in."""
        stop = self.stop
        whole = self if not isinstance(stop, str) else msgspec.structs.replace(self, stop=[stop])
        params = msgspec.convert(whole, SamplingParams, from_attributes=True)
        return params if max_tokens == self.max_tokens else msgspec.structs.replace(params, max_tokens=max_tokens)

    def constraint(self, response_format: Constraint | None = None) -> Constraint | None:
        """What the text must be; asked for in one way only."""
        asked: list[tuple[str, Constraint]] = []
        if response_format is not None:
            asked.append(("response_format", response_format))
        if self.grammar is not None:
            asked.append(("grammar", Grammar(self.grammar)))
        if (structured := self.structured_outputs) is not None:
            if structured.json is not None:
                asked.append(("structured_outputs.json", JsonSchema(structured.json)))
            if structured.grammar is not None:
                asked.append(("structured_outputs.grammar", Grammar(structured.grammar)))
        if len(asked) > 1:
            both = " and ".join(repr(name) for name, _ in asked)
            raise InvalidRequest(f"The text can be constrained in one way only, but the request has {both}.", param=asked[1][0])
        return asked[0][1] if asked else None


# --- chat -----------------------------------------------------------------------------------------------------------------


class TextFormat(Struct, frozen=True, tag_field="type", tag="text", forbid_unknown_fields=True):
    """Any text."""


class JsonObjectFormat(Struct, frozen=True, tag_field="type", tag="json_object", forbid_unknown_fields=True):
    """One JSON object."""


class NamedSchema(Struct, frozen=True, forbid_unknown_fields=True):
    """A JSON Schema. It is always followed strictly."""

    name: Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
    schema: dict[str, Any]
    description: str | None = None
    strict: Annotated[bool, Meta(description=Ignored)] | None = None


class JsonSchemaFormat(Struct, frozen=True, tag_field="type", tag="json_schema", forbid_unknown_fields=True):
    """JSON that a schema accepts."""

    json_schema: NamedSchema


ResponseFormat = TextFormat | JsonObjectFormat | JsonSchemaFormat


class ChatCompletionRequest(GenerateBody, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of POST /v1/chat/completions."""

    messages: Annotated[list[Message], Meta(min_length=1, description="The conversation so far, oldest first.")]
    max_completion_tokens: (
        Annotated[int, Meta(ge=1, le=2**31 - 1, description="Most tokens to generate. Default: what the context has left.")]
        | None
    ) = None
    logprobs: Annotated[bool, Meta(description="Give the log probability of each token.")] | None = None
    top_logprobs: (
        Annotated[int, Meta(ge=0, le=MAX_TOP_LOGPROBS, description="Most likely tokens to give at each place. Needs 'logprobs'.")]
        | None
    ) = None
    response_format: ResponseFormat | None = None
    tools: (
        Annotated[list[Tool], Meta(min_length=1, max_length=MAX_TOOLS, description="Functions that the model may call.")] | None
    ) = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: Annotated[bool, Meta(description="Allow more than one call in an answer. Default true.")] | None = None
    chat_template_kwargs: Annotated[dict[str, Any], Meta(description="Extension: variables for the chat template.")] | None = None
    reasoning_effort: Annotated[str, Meta(description="Given to the chat template as its variable reasoning_effort.")] | None = (
        None
    )
    store: Annotated[bool, Meta(description="Only false: nothing is kept.")] | None = None
    service_tier: Literal["auto", "default"] | None = None
    modalities: list[Literal["text"]] | None = None
    metadata: Annotated[dict[str, str], Meta(description=Ignored)] | None = None
    safety_identifier: Annotated[str, Meta(description=Ignored)] | None = None
    prompt_cache_key: Annotated[str, Meta(description=Ignored)] | None = None
    prompt_cache_retention: Annotated[str, Meta(description=Ignored)] | None = None
    prompt_cache_options: Annotated[dict[str, Any], Meta(description=Ignored)] | None = None
    prediction: Annotated[dict[str, Any], Meta(description=Ignored)] | None = None
    audio: Annotated[None, Meta(description=Refused)] = None
    functions: Annotated[None, Meta(description=Refused)] = None
    function_call: Annotated[None, Meta(description=Refused)] = None
    web_search_options: Annotated[None, Meta(description=Refused)] = None
    verbosity: Annotated[None, Meta(description=Refused)] = None
    moderation: Annotated[None, Meta(description=Refused)] = None

    def request(self) -> ChatRequest:
        """Raises InvalidRequest."""
        if self.store:
            raise Unsupported("'store' is not supported: this server keeps no answers. Leave it out.", param="store")
        check_messages(self.messages)
        check_tools(self.tools, self.tool_choice, self.parallel_tool_calls)
        return ChatRequest(
            model=self.model,
            messages=self.messages,
            sampling=self.sampling(self._max_tokens()),
            n=self.n or 1,
            tools=self.tools or [],
            tool_choice=self.tool_choice or "auto",
            parallel_tool_calls=self.parallel_tool_calls is not False,
            constraint=self.constraint(self._format()),
            top_logprobs=self._top_logprobs(),
            template_kwargs=self._template_kwargs(),
            prompt_logprobs=self.scored_prompt(),
        )

    def _max_tokens(self) -> int | None:
        if self.max_completion_tokens is None:
            return self.max_tokens
        if self.max_tokens is not None:
            raise InvalidRequest("'max_tokens' and 'max_completion_tokens' mean the same. Send one of them.", param="max_tokens")
        return self.max_completion_tokens

    def _top_logprobs(self) -> int | None:
        if self.logprobs:
            return self.top_logprobs or 0
        if self.top_logprobs is not None:
            raise InvalidRequest("'top_logprobs' is only allowed when 'logprobs' is true.", param="top_logprobs")
        return None

    def _format(self) -> Constraint | None:
        if isinstance(self.response_format, JsonSchemaFormat):
            return JsonSchema(self.response_format.json_schema.schema)
        return JsonObject() if isinstance(self.response_format, JsonObjectFormat) else None

    def _template_kwargs(self) -> dict[str, Any]:
        kwargs = self.chat_template_kwargs or {}
        require_few_values(kwargs, "chat_template_kwargs")
        return kwargs if self.reasoning_effort is None else {"reasoning_effort": self.reasoning_effort, **kwargs}


# --- completions and embeddings ---------------------------------------------------------------------------------------------

Prompts = (
    str
    | Annotated[
        list[str | TokenId | TokenIds],
        Meta(
            min_length=1,
            extra_json_schema={
                "items": {},
                "anyOf": [
                    {"items": {"type": "string"}},
                    {"items": {"type": "integer", "minimum": 0, "maximum": 2**32 - 1}},
                    {"items": {"type": "array", "minItems": 1, "items": {"type": "integer", "minimum": 0, "maximum": 2**32 - 1}}},
                ],
            },
        ),
    ]
)
"""A text, several, the token ids of one, or of several."""


class CompletionBody(GenerateBody, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of POST /v1/completions."""

    prompt: Prompts
    echo: Annotated[bool, Meta(description="Begin the text with the prompt.")] | None = None
    logprobs: Annotated[int, Meta(ge=0, le=MAX_TOP_LOGPROBS, description="Most likely tokens to give at each place.")] | None = (
        None
    )
    best_of: Annotated[int, Meta(ge=1, le=MAX_CHOICES, description="Only the value of 'n'.")] | None = None
    suffix: Annotated[None, Meta(description=Refused)] = None

    def request(self) -> CompletionRequest:
        """Raises InvalidRequest."""
        n = self.n or 1
        prompts = _prompts(self.prompt, "prompt")
        check_choices(len(prompts), n)
        if self.best_of is not None and self.best_of != n:
            raise Unsupported("'best_of' is supported only with the value of 'n'. Leave it out.", param="best_of")
        return CompletionRequest(
            model=self.model,
            prompts=prompts,
            sampling=self.sampling(self.max_tokens or COMPLETION_MAX_TOKENS),
            n=n,
            echo=bool(self.echo),
            constraint=self.constraint(),
            top_logprobs=self.logprobs,
            prompt_logprobs=self.scored_prompt(),
        )


class EmbeddingRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of POST /v1/embeddings."""

    model: ModelName
    input: Prompts
    encoding_format: (
        Annotated[Literal["float", "base64"], Meta(description="base64 is of little-endian float32. Default float.")] | None
    ) = None
    dimensions: Annotated[int, Meta(ge=1, le=2**31 - 1, description="Keep the first so many, normalised again.")] | None = None
    user: Annotated[str, Meta(description=Ignored)] | None = None

    def request(self) -> EmbedRequest:
        """Raises InvalidRequest."""
        return EmbedRequest(model=self.model, inputs=inputs_of(self.input), dimensions=self.dimensions)


def inputs_of(given: Prompts) -> list[Prompt]:
    """What the field 'input' holds, in any of the four forms.

    Raises:
        InvalidRequest: the forms are mixed, or one is empty.
    """
    inputs = _prompts(given, "input")
    for position, text in enumerate(inputs):
        if not text:
            param = "input" if len(inputs) == 1 else f"input[{position}]"
            raise InvalidRequest("An input can't be empty.", param=param)
    return inputs


def _prompts(given: str | list[str | int | list[int]], param: str) -> list[Prompt]:
    """The prompts in any of the four forms."""
    if isinstance(given, str):
        return [given]
    first = type(given[0])
    if first is not int and len(given) > MAX_INPUTS:
        raise InvalidRequest(f"{param!r} has {len(given)} entries; at most {MAX_INPUTS} are taken.", param=param)
    for position, item in enumerate(given):
        if type(item) is not first:
            raise InvalidRequest(
                f"{param!r} mixes forms. Send a string, a list of strings, a list of token ids, or a list of lists of token ids.",
                param=f"{param}[{position}]",
                code="invalid_type",
            )
        if item == []:
            raise InvalidRequest("A list of token ids can't be empty.", param=f"{param}[{position}]")
    if first is int:
        return [msgspec.convert(given, TokenIds)]
    return msgspec.convert(given, list[Prompt])


# --- tokens -----------------------------------------------------------------------------------------------------------------


class TokenizeBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of POST /tokenize: 'prompt' or 'messages'."""

    model: ModelName
    prompt: str | None = None
    messages: Annotated[list[Message], Meta(min_length=1)] | None = None
    add_special_tokens: Annotated[bool, Meta(description="Such as the beginning-of-sequence token. Default true.")] | None = None
    return_token_strs: Annotated[bool, Meta(description="Give the text of each token too.")] | None = None

    def request(self) -> TokenizeRequest:
        """Raises InvalidRequest."""
        if (self.prompt is None) == (self.messages is None):
            raise InvalidRequest("Send either 'prompt' or 'messages'.", param="prompt")
        check_messages(self.messages or [])
        return TokenizeRequest(
            model=self.model,
            text=self.prompt,
            messages=self.messages,
            add_special_tokens=self.add_special_tokens is not False,
            with_pieces=bool(self.return_token_strs),
        )


class DetokenizeBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of POST /detokenize."""

    model: ModelName
    tokens: TokenIds

    def request(self) -> DetokenizeRequest:
        return DetokenizeRequest(model=self.model, tokens=self.tokens)
