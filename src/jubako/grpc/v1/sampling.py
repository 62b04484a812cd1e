"""How an answer is drawn, and what it must look like."""

from __future__ import annotations

import math

import msgspec

from jubako.dataplane.any_json import json_object
from jubako.errors import InvalidRequest
from jubako.grpc.v1.fields import mismatch, require, require_some
from jubako.messages import Constraint, Grammar, JsonObject, JsonSchema, SamplingParams
from jubako.messages.sampling import MAX_STOP_TOKEN_IDS
from jubako.protos import jubako_v1 as pb


def sampling_params(given: pb.Sampling) -> SamplingParams:
    """The waist's parameters; what is not set stays open.

    Raises:
        InvalidRequest: a value is out of its bounds.
    """
    values: dict[str, object] = {field.name: value for field, value in given.ListFields()}
    for name, value in values.items():
        if isinstance(value, float):
            _require_finite(value, name)
    if given.logit_bias:
        for token, bias in given.logit_bias.items():
            _require_finite(bias, f"logit_bias[{token}]")
        values["logit_bias"] = dict(given.logit_bias)
    if given.stop:
        values["stop"] = list(given.stop)
    if given.stop_token_ids:
        require_some(given.stop_token_ids, "sampling.stop_token_ids", MAX_STOP_TOKEN_IDS)
        values["stop_token_ids"] = list(given.stop_token_ids)
    try:
        return msgspec.convert(values, SamplingParams)
    except msgspec.ValidationError as error:
        raise mismatch(error, "sampling") from None


def constraint(given: pb.Constraint) -> Constraint | None:
    """What the text must be; None for any text.

    Raises:
        InvalidRequest: it is no schema or no grammar.
    """
    match given.WhichOneof("kind"):
        case "json_object":
            return JsonObject()
        case "json_schema":
            return JsonSchema(json_object(given.json_schema, "constraint.json_schema"))
        case "grammar":
            require(given.grammar, "constraint.grammar")
            return Grammar(given.grammar)
        case _:
            return None


def _require_finite(value: float, name: str) -> None:
    if not math.isfinite(value):
        raise InvalidRequest(
            f"Invalid value for 'sampling.{name}': expected a finite number, but got {value}.",
            param=f"sampling.{name}",
            code="invalid_value",
        )
