"""From arguments to the messages that ask."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

from google.protobuf.json_format import ParseDict, ParseError

from jubako_client._protos import jubako_v1 as pb
from jubako_client.conversation import Conversation, tool, tool_choice, turns
from jubako_client.errors import InvalidRequest
from jubako_client.options import CallOptions, ChatOptions, CompletionOptions, Sampling

Prompts: TypeAlias = str | Sequence[str] | Sequence[int] | Sequence[Sequence[int]]
"""A text, several, the token ids of one, or those of several."""

if TYPE_CHECKING:
    from google.protobuf.struct_pb2 import Struct

_CALL: Final = CallOptions.__optional_keys__
_SAMPLING: Final = (
    "max_tokens",
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "presence_penalty",
    "frequency_penalty",
    "repetition_penalty",
    "seed",
    "stop_token_ids",
    "include_stop_str_in_output",
    "ignore_eos",
)
_PLAIN: Final = ("n", "top_logprobs", "prompt_logprobs")


def require_known(options: Mapping[str, object], known: frozenset[str] = _CALL) -> None:
    """
    Raises:
        TypeError: there is an argument that no such call has.
    """
    if unknown := sorted(set(options) - known):
        raise TypeError(f"There is no argument {unknown[0]!r}; there are {', '.join(sorted(known))}.")


def chat_request(model: str, messages: Conversation, options: ChatOptions) -> pb.ChatRequest:
    """
    Raises:
        InvalidRequest: an argument can't be sent.
        TypeError: there is no such argument.
    """
    require_known(options, ChatOptions.__optional_keys__)
    request = pb.ChatRequest(model=model, messages=turns(messages), sampling=_sampling(options), constraint=_constraint(options))
    _set(request, options, (*_PLAIN, "parallel_tool_calls", "reasoning_effort"))
    request.tools.extend(tool(given, f"tools[{place}]") for place, given in enumerate(options.get("tools", ())))
    if "tool_choice" in options:
        request.tool_choice.CopyFrom(tool_choice(options["tool_choice"]))
    if "chat_template_kwargs" in options:
        _set_variables(request.chat_template_kwargs, options["chat_template_kwargs"])
    return request


def completion_request(model: str, prompts: Prompts, options: CompletionOptions) -> pb.CompletionRequest:
    """
    Raises:
        InvalidRequest: an argument can't be sent.
        TypeError: there is no such argument.
    """
    require_known(options, CompletionOptions.__optional_keys__)
    request = pb.CompletionRequest(
        model=model, prompts=prompts_of(prompts), sampling=_sampling(options), constraint=_constraint(options)
    )
    _set(request, options, (*_PLAIN, "echo"))
    return request


def prompts_of(given: Prompts) -> list[pb.Prompt]:
    if isinstance(given, str):
        return [pb.Prompt(text=given)]
    tokens = [item for item in given if isinstance(item, int)]
    if tokens:
        return [pb.Prompt(tokens=pb.TokenIds(ids=tokens))]
    return [pb.Prompt(text=item) if isinstance(item, str) else _tokens(item) for item in given if not isinstance(item, int)]


def _tokens(ids: Sequence[int]) -> pb.Prompt:
    return pb.Prompt(tokens=pb.TokenIds(ids=ids))


def _sampling(options: Sampling) -> pb.Sampling:
    sampling = pb.Sampling()
    _set(sampling, options, _SAMPLING)
    if "stop" in options:
        stop = options["stop"]
        sampling.stop.extend([stop] if isinstance(stop, str) else stop)
    if "logit_bias" in options:
        sampling.logit_bias.update(options["logit_bias"])
    return sampling


def _constraint(options: Sampling) -> pb.Constraint | None:
    given = [name for name in ("json_object", "json_schema", "grammar") if options.get(name)]
    if len(given) > 1:
        raise InvalidRequest(f"Only one of {' and '.join(given)} can be met. Leave the others out.", param=given[1])
    if options.get("json_object"):
        return pb.Constraint(json_object=pb.Constraint.JsonObject())
    if "json_schema" in options:
        return pb.Constraint(json_schema=json.dumps(options["json_schema"]))
    if "grammar" in options:
        return pb.Constraint(grammar=options["grammar"])
    return None


def _set_variables(struct: Struct, variables: Mapping[str, object]) -> None:
    try:
        ParseDict(dict(variables), struct)
    except ParseError as error:
        raise InvalidRequest(f"It must be what JSON can hold: {error}", param="chat_template_kwargs") from None


def _set(message: pb.ChatRequest | pb.CompletionRequest | pb.Sampling, options: Sampling, names: Sequence[str]) -> None:
    for name in names:
        value = options.get(name)
        if value is None:
            continue
        try:
            if name == "stop_token_ids" and isinstance(message, pb.Sampling):
                message.stop_token_ids.extend(options["stop_token_ids"])
            else:
                setattr(message, name, value)
        except (TypeError, ValueError) as error:
            raise InvalidRequest(f"The argument {name!r} can't be {value!r}: {error}", param=name) from None
