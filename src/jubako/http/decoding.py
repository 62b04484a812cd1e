"""JSON bodies into typed requests, and what is wrong with those that can't be."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import msgspec

from jubako.dataplane.any_json import require_small_integers
from jubako.errors import InvalidRequest, Unsupported
from jubako.tensors import Buffer

T = TypeVar("T", bound=msgspec.Struct)

_AT = re.compile(r"^(?P<what>.*?)(?: - at (?:`key` in )?`\$\.?(?P<path>[^`]*)`)?$", re.DOTALL)
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<name>.*)`", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(?P<name>.*)`")
_TYPE = re.compile(r"Expected `(?P<expected>[^`]*)`, got `(?P<got>[^`]*)`")
_RANGE = re.compile(r"Expected `(?P<kind>[^`]*)` (?P<bound>.*)")

_LONG_NUMBER = re.compile(rb"\d{19}")

_JSON_NAMES = {"str": "string", "int": "integer", "float": "number", "bool": "boolean"}


class BodyDecoder(Generic[T]):
    """Decodes bodies of one type.

    Args:
        kind: The request. Its fields are closed: one that it does not have is refused with the nearest it has.
        unsupported: Top-level fields that the type has only to be refused, and a sentence about each saying what to do instead.
        any_json: Whether it has fields that take any JSON.
    """

    def __init__(self, kind: type[T], unsupported: Mapping[str, str] | None = None, *, any_json: bool = True) -> None:
        self._decoder = msgspec.json.Decoder(kind)
        self._fields = kind.__struct_encode_fields__
        self._unsupported = unsupported or {}
        self._any_json = any_json

    def decode(self, body: Buffer) -> T:
        """The request in `body`.

        Raises:
            InvalidRequest: it is no JSON, or not this request's; `param` is the path of the field.
        """
        try:
            if self._any_json and _LONG_NUMBER.search(body):
                require_small_integers(msgspec.json.decode(body))
            return self._decoder.decode(body)
        except msgspec.ValidationError as error:
            raise self._mismatch(str(error)) from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise _malformed(bytes(body), str(error)) from None
        except RecursionError:
            raise InvalidRequest("The JSON of the request is nested too deeply.") from None

    def _mismatch(self, message: str) -> InvalidRequest:
        found = _AT.match(message)
        what, path = (found["what"], found["path"] or "") if found else (message, "")
        if (reason := self._unsupported.get(path.partition("[")[0].partition(".")[0])) is not None:
            return Unsupported(f"{path!r} is not supported. {reason}", param=path)
        if (unknown := _UNKNOWN.fullmatch(what)) is not None:
            return self._unknown_field(unknown["name"], path)
        if (missing := _MISSING.fullmatch(what)) is not None:
            name = _join(path, missing["name"])
            return InvalidRequest(f"Missing required parameter: {name!r}.", param=name, code="missing_required_parameter")
        param = path or None
        where = f"{path!r}" if path else "the request body"
        if (wrong := _TYPE.fullmatch(what)) is not None:
            return InvalidRequest(
                f"Invalid type for {where}: expected {_in_json(wrong['expected'])}, but got {_in_json(wrong['got'])} instead.",
                param=param,
                code="invalid_type",
            )
        if (outside := _RANGE.fullmatch(what)) is not None:
            return InvalidRequest(
                f"Invalid value for {where}: expected {_in_json(outside['kind'])} {outside['bound']}.",
                param=param,
                code="invalid_value",
            )
        return InvalidRequest(f"Invalid value for {where}: {what[:1].lower()}{what[1:]}.", param=param, code="invalid_value")

    def _unknown_field(self, name: str, path: str) -> InvalidRequest:
        shown = name if len(name) <= 100 else f"{name[:100]}..."
        if path:
            return InvalidRequest(
                f"Unknown parameter: '{_join(path, shown)}'.", param=_join(path, shown), code="unknown_parameter"
            )
        near = difflib.get_close_matches(name[:100], [field for field in self._fields if field not in self._unsupported], n=1)
        hint = f". Did you mean {near[0]!r}?" if near else ""
        return InvalidRequest(f"Unrecognized request argument supplied: {shown}{hint}", param=shown, code="unknown_parameter")


def decode_object(body: Buffer) -> dict[str, Any]:
    """The JSON object in `body`, whatever its fields.

    Raises:
        InvalidRequest: it is none.
    """
    try:
        return _OBJECT.decode(body)
    except msgspec.ValidationError:
        raise InvalidRequest("The request body must be a JSON object.", code="invalid_type") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _malformed(bytes(body), str(error)) from None
    except RecursionError:
        raise InvalidRequest("The JSON of the request is nested too deeply.") from None


_OBJECT = msgspec.json.Decoder(dict[str, Any])


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _in_json(kinds: str) -> str:
    return " or ".join(_JSON_NAMES.get(kind, kind) for kind in kinds.split(" | "))


def _malformed(body: bytes, reason: str) -> InvalidRequest:
    """Why `body` is no JSON, and where: the standard parser is slower and says it better."""
    if not body.strip():
        return InvalidRequest("The request has no body. Send a JSON object.", code="invalid_json")
    try:
        json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
    except InvalidRequest as error:
        return error
    except json.JSONDecodeError as error:
        reason = f"{error.msg} at line {error.lineno}, column {error.colno}"
    except UnicodeDecodeError as error:
        reason = f"byte {error.start} is not UTF-8"
    except (RecursionError, ValueError):
        pass
    return InvalidRequest(f"The request body is not valid JSON: {reason}.", code="invalid_json")


def _refuse_constant(name: str) -> None:
    raise InvalidRequest(
        f"The request body is not valid JSON: {name} is no number in it. Send such values as binary tensor data, or not at all.",
        code="invalid_json",
    )
