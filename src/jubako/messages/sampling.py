"""How an answer is drawn, and what it must look like."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

TokenId = Annotated[int, Meta(ge=0, le=2**32 - 1)]
TokenIds = list[TokenId]
Prompt = str | TokenIds

MAX_STOP_TOKEN_IDS: Final = 64


class SamplingParams(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """How tokens are drawn. A field that is absent or null takes the entry's default, then the neutral value named here."""

    max_tokens: (
        Annotated[int, Meta(ge=1, le=2**31 - 1, description="Most tokens to generate. Default: what the context has left.")]
        | None
    ) = None
    temperature: Annotated[float, Meta(ge=0, description="Spread of the distribution; 0 is greedy. Default 1.0.")] | None = None
    top_p: (
        Annotated[float, Meta(gt=0, le=1, description="Smallest set of tokens with this much probability. Default 1.0.")] | None
    ) = None
    top_k: (
        Annotated[int, Meta(ge=-1, le=2**31 - 1, description="Most likely tokens to choose from; -1 or 0 is all. Default -1.")]
        | None
    ) = None
    min_p: (
        Annotated[float, Meta(ge=0, le=1, description="Least probability relative to the most likely token. Default 0.0.")] | None
    ) = None
    presence_penalty: (
        Annotated[float, Meta(description="Taken off every token that has appeared; negative encourages. Default 0.0.")] | None
    ) = None
    frequency_penalty: Annotated[float, Meta(description="Taken off a token once for each appearance. Default 0.0.")] | None = (
        None
    )
    repetition_penalty: (
        Annotated[float, Meta(gt=0, description="Divides the logits of tokens that have appeared. Default 1.0.")] | None
    ) = None
    seed: (
        Annotated[int, Meta(ge=-(2**63), le=2**63 - 1, description="Repeats a sampled answer. Default: a fresh one each time.")]
        | None
    ) = None
    logit_bias: (
        Annotated[
            dict[TokenId, Annotated[float, Meta(ge=-100, le=100)]],
            Meta(max_length=1024, description="Added to the logits of these token ids."),
        ]
        | None
    ) = None
    stop: (
        Annotated[
            list[Annotated[str, Meta(min_length=1)]],
            Meta(max_length=16, description="Strings that end the answer. Default none."),
        ]
        | None
    ) = None
    stop_token_ids: (
        Annotated[TokenIds, Meta(max_length=MAX_STOP_TOKEN_IDS, description="Token ids that end the answer. Default none.")]
        | None
    ) = None
    include_stop_str_in_output: Annotated[bool, Meta(description="Keep the stop string in the text. Default false.")] | None = (
        None
    )
    ignore_eos: Annotated[bool, Meta(description="Go on after the end-of-sequence token. Default false.")] | None = None

    def over(self, defaults: SamplingParams) -> SamplingParams:
        """These parameters, with what they leave out taken from `defaults`."""
        return msgspec.structs.replace(
            defaults, **{name: value for name in self.__struct_fields__ if (value := getattr(self, name)) is not None}
        )


class JsonObject(Struct, frozen=True, tag="json_object"):
    """The text must be one JSON object."""


class JsonSchema(Struct, frozen=True, tag="json_schema"):
    """The text must be JSON that this schema accepts."""

    schema: dict[str, Any]


class Grammar(Struct, frozen=True, tag="grammar"):
    """The text must match a grammar in GBNF, llama.cpp's notation."""

    gbnf: str


Constraint = JsonObject | JsonSchema | Grammar
