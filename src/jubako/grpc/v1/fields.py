"""What the types of a message can't say of its fields."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from google.protobuf.message import Message

from jubako.dataplane.limits import MAX_INPUTS, MAX_NAME
from jubako.errors import InvalidRequest
from jubako.messages import Prompt
from jubako.protos import jubako_v1 as pb


def whole_number(message: Message, field: str, least: int, most: int) -> int | None:
    """The value of an optional field; None where it is not set.

    Raises:
        InvalidRequest: it is out of its bounds.
    """
    if not message.HasField(field):
        return None
    value: int = getattr(message, field)
    if not least <= value <= most:
        raise InvalidRequest(
            f"Invalid value for {field!r}: expected an integer from {least} to {most}, but got {value}.",
            param=field,
            code="invalid_value",
        )
    return value


def require(given: object, field: str) -> None:
    """
    Raises:
        InvalidRequest: nothing is given.
    """
    if not given:
        raise InvalidRequest(f"Missing required parameter: {field!r}.", param=field, code="missing_required_parameter")


def require_name(given: str) -> None:
    """
    Raises:
        InvalidRequest: no model is named, or by more than a name.
    """
    require(given, "model")
    if len(given) > MAX_NAME:
        raise InvalidRequest(
            f"Invalid value for 'model': a name has at most {MAX_NAME} characters.", param="model", code="invalid_value"
        )


def require_some(given: Sequence[object], field: str, most: int = MAX_INPUTS) -> None:
    """
    Raises:
        InvalidRequest: there is none, or there are more than `most`.
    """
    require(given, field)
    if len(given) > most:
        raise InvalidRequest(f"{field!r} has {len(given)} entries; at most {most} are taken.", param=field, code="invalid_value")


def prompts(given: Sequence[pb.Prompt], field: str) -> list[Prompt]:
    """
    Raises:
        InvalidRequest: there is none, or there are too many, or one of them is neither a text nor tokens.
    """
    require_some(given, field)
    return [_prompt(prompt, f"{field}[{position}]") for position, prompt in enumerate(given)]


def inputs(given: Sequence[pb.Prompt]) -> list[Prompt]:
    """As :func:`prompts`, none of which may be empty."""
    found = prompts(given, "inputs")
    for position, text in enumerate(found):
        if not text:
            raise InvalidRequest("An input can't be empty.", param=f"inputs[{position}]")
    return found


def _prompt(given: pb.Prompt, param: str) -> Prompt:
    match given.WhichOneof("kind"):
        case "text":
            return given.text
        case "tokens":
            if not given.tokens.ids:
                raise InvalidRequest("A list of token ids can't be empty.", param=f"{param}.tokens.ids")
            return list(given.tokens.ids)
        case _:
            raise InvalidRequest(f"{param!r} has neither 'text' nor 'tokens'. Set one of them.", param=param)


def mismatch(error: msgspec.ValidationError, path: str) -> InvalidRequest:
    """What is wrong with a value inside of the field at `path`, of which msgspec says where it is after a ``$``."""
    what, _, where = str(error).partition(" - at `$")
    param = path + where.rstrip("`")
    return InvalidRequest(f"Invalid value for {param!r}: {what[:1].lower()}{what[1:]}.", param=param, code="invalid_value")
