"""Mappings from YAML into the dataclasses of :mod:`jubako.repository.config`, with every fault found at once.

pydantic and msgspec do the checking; the sentences are ours.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, TypeVar, cast

import msgspec
from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from jubako.messages import SamplingParams
from jubako.repository.config import ModelConfig, VersionConfig
from jubako.repository.contradictions import contradictions
from jubako.repository.document import Value
from jubako.repository.place import Place, place_of
from jubako.repository.problem import FieldPath, nearest, shown_path, shown_value
from jubako.repository.version_policy import spelled_out

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Fields = Mapping[str, Value]


@dataclass(frozen=True)
class Fault:
    """What is wrong with the value at `path`, as a whole sentence."""

    path: FieldPath
    message: str

    @classmethod
    def at(cls, path: FieldPath, what: str, hint: str = "") -> Fault:
        return cls(path, f"`{shown_path(path)}` {what}.{' ' + hint if hint else ''}")


@dataclass(frozen=True)
class Checked(Generic[T_co]):
    """`value` is None exactly where there are faults."""

    value: T_co | None
    faults: tuple[Fault, ...] = ()


def check_model(fields: Fields) -> Checked[ModelConfig]:
    """The fields of a model.yaml; the names under ``engine`` are checked apart, by :func:`check_engine`."""
    written = {name: value for name, value in fields.items() if name != "sampling"}
    checked = _check_pinned(ModelConfig, written | spelled_out(written))
    sampling = check_sampling(fields.get("sampling", {}), ("sampling",))
    if checked.value is None or sampling.value is None:
        return Checked(None, checked.faults + sampling.faults)
    if faults := contradictions(checked.value):
        return Checked(None, tuple(Fault.at(path, what) for path, what in faults))
    return Checked(dataclasses.replace(checked.value, sampling=sampling.value))


def check_version(fields: Fields) -> Checked[VersionConfig]:
    """The fields of a version.yaml; the names under ``engine`` are checked apart, by :func:`check_engine`."""
    return _check_pinned(VersionConfig, fields)


def check_engine(params: type, fields: Fields) -> Checked[dict[str, Any]]:
    """The parameters of an engine, as builtins and with their defaults filled in.

    Args:
        params: The backend's dataclass, `BackendDeclaration.params`. If it is open, parameters that it does not have are kept.
        fields: What ``engine`` says in model.yaml, overlaid with what it says in version.yaml.
    """
    if is_open(params):
        return _check_open_engine(params, fields)
    checked: Checked[Any] = _check(params, fields, ("engine",))
    if checked.value is None:
        return Checked(None, checked.faults)
    return Checked(adapter(params).dump_python(checked.value, mode="json"))


def _check_open_engine(params: type, fields: Fields) -> Checked[dict[str, Any]]:
    """Those that the dataclass has, with hyphens or underscores, and the others as they are."""
    known = {field.name for field in dataclasses.fields(params)}
    written = {name.replace("-", "_"): name for name in fields}
    checked: Checked[Any] = _check(params, {name: fields[written[name]] for name in written if name in known}, ("engine",))
    if checked.value is None:
        paths = [(fault.path[0], written.get(str(fault.path[1]), fault.path[1]), *fault.path[2:]) for fault in checked.faults]
        faults = zip(checked.faults, paths, strict=True)
        return Checked(None, tuple(dataclasses.replace(fault, path=path) for fault, path in faults))
    others = {name: fields[written[name]] for name in written if name not in known}
    return Checked({**adapter(params).dump_python(checked.value, mode="json"), **others})


def is_open(params: type) -> bool:
    """Whether an engine takes more parameters than those of its dataclass."""
    return getattr(params, "__pydantic_config__", {}).get("extra") == "allow"


@cache
def adapter(kind: type) -> TypeAdapter[Any]:
    """pydantic's view of a configuration dataclass, made once."""
    return TypeAdapter(kind)


def _check(kind: type[T], fields: Fields, within: FieldPath = ()) -> Checked[T]:
    try:
        # As JSON, because pydantic's strict mode then takes mappings for dataclasses, and nothing else for anything.
        return Checked(adapter(cast(type, kind)).validate_json(json.dumps(fields), strict=True))
    except ValidationError as error:
        return Checked(None, tuple(_faults(error, kind, within)))


def _check_pinned(kind: type[T], fields: Fields) -> Checked[T]:
    """As :func:`_check`, with `sha256` checked by hand: pydantic would report each of its two forms."""
    pins = tuple(_pin_faults(("sha256",), fields.get("sha256")))
    checked = _check(kind, {name: value for name, value in fields.items() if not (pins and name == "sha256")})
    return Checked(None, checked.faults + pins) if pins else checked


def _pin_faults(path: FieldPath, pin: Value) -> list[Fault]:
    if isinstance(pin, dict) and len(path) == 1:
        return [fault for name, digest in pin.items() for fault in _pin_faults((*path, name), digest or "")]
    if pin is None or (isinstance(pin, str) and re.fullmatch(r"[0-9a-fA-F]{64}", pin)):
        return []
    return [Fault.at(path, f"must be the 64 hexadecimal digits that sha256sum prints; it is {shown_value(pin)}")]


# --- pydantic's errors ----------------------------------------------------------------------------------------------------

_PLAIN: dict[str, str] = {
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing_size": "must be a smaller whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "string_type": "must be text",
    "list_type": "must be a list",
    "dict_type": "must be a mapping of names to values",
    "dataclass_type": "must be a mapping of names to values",
    "greater_than_equal": "must be at least {ge:g}",
    "greater_than": "must be more than {gt:g}",
    "less_than_equal": "must be at most {le:g}",
    "less_than": "must be less than {lt:g}",
    "string_too_short": "must have at least {min_length} character(s)",
    "string_too_long": "must have at most {max_length} characters",
    "too_short": "must have at least {min_length} item(s)",
    "too_long": "must have at most {max_length} items",
    "literal_error": "must be one of {expected}",
}


def _faults(error: ValidationError, kind: type, within: FieldPath) -> Iterator[Fault]:
    choices: set[FieldPath] = set()
    for details in error.errors(include_url=False):
        place = place_of(kind, details["loc"])
        if place.is_choice and place.path in choices:
            continue  # said for another of the types
        choices |= {place.path} if place.is_choice else set()
        yield _fault(details, place, kind, within)


def _fault(details: ErrorDetails, place: Place, kind: type, within: FieldPath) -> Fault:
    path, value = (*within, *place.path), details["input"]
    if details["type"] == "missing":
        return Fault(path[:-1], f"The field `{shown_path(path)}` is missing; it is required.")
    if details["type"] == "unexpected_keyword_argument":
        holder = place_of(kind, details["loc"][:-1])
        # Why a name that people may well try is no field: a class says it where the nearest names would not do.
        refused: dict[str, str] = getattr(holder.kind, "__refused__", {})
        if (why := refused.get(str(path[-1]))) is not None:
            return Fault(path, f"There is no field `{shown_path(path)}`: {why}")
        return _unknown(path, holder.field_names)
    if place.is_key:
        return Fault(path, f"`{shown_path(path[:-1])}` must have whole numbers as its keys; one is {shown_value(path[-1])}.")
    if place.is_choice:
        return Fault.at(path, f"must be {place.expected}; it is {shown_value(value)}")
    context = details.get("ctx", {})
    template = _PLAIN.get(details["type"])
    what = template.format_map(context) if template else f"is wrong: {details['msg']}"
    hint = ""
    if details["type"] == "literal_error":
        choices = re.findall(r"'([^']*)'", context["expected"])
        what = "must be one of " + ", ".join(choices)
        near = nearest(value, choices) if isinstance(value, str) else ""
        hint = near if near.startswith("Did you mean") else ""
    return Fault.at(path, f"{what}; it is {shown_value(value)}", hint)


def _unknown(path: FieldPath, known: list[str]) -> Fault:
    return Fault(path, f"There is no field `{shown_path(path)}`. {nearest(str(path[-1]), known)}".rstrip())


# --- msgspec's errors -----------------------------------------------------------------------------------------------------

_MSGSPEC = re.compile(r"Expected `(?P<types>[^`]+)`(?P<rest>.*?)(?: - at (?P<key>`key` in )?`\$(?P<path>[^`]*)`)?\Z")
_TYPES = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "text",
    "array": "a list",
    "object": "a mapping",
    "null": "null",
}


def check_sampling(fields: Value, within: FieldPath = ()) -> Checked[SamplingParams]:
    """Sampling parameters by name, the whole of them being at `within`."""
    # Field by field, because msgspec stops at the first fault.
    if not isinstance(fields, dict):
        return Checked(None, (Fault.at(within, f"must be a mapping of names to values; it is {shown_value(fields)}"),))
    faults = [fault for name, value in fields.items() for fault in _sampling_faults((*within, name), value)]
    if faults:
        return Checked(None, tuple(faults))
    return Checked(msgspec.convert(fields, SamplingParams, str_keys=True))


def _sampling_faults(path: FieldPath, value: Value) -> list[Fault]:
    name = str(path[-1])
    if name not in SamplingParams.__struct_fields__:
        return [_unknown(path, list(SamplingParams.__struct_fields__))]
    try:
        msgspec.convert({name: value}, SamplingParams, str_keys=True)
    except msgspec.ValidationError as error:
        return [_sampling_fault(path, value, str(error))]
    return []


def _sampling_fault(path: FieldPath, value: Value, message: str) -> Fault:
    match = _MSGSPEC.match(message)
    if not match:
        return Fault.at(path, f"is wrong: {message}")
    if match["key"]:
        return Fault.at(path, "must have token ids, which are whole numbers, as its keys")
    if index := re.search(r"\[(\d+)\]$", match["path"] or ""):
        path = (*path, int(index[1]))
        value = value[int(index[1])] if isinstance(value, list) else value
    limit = re.search(r"(of length )?(>=|<=|>|<) ([-\d.]+)", match["rest"])
    if limit:
        bound = {">=": "at least", "<=": "at most", ">": "more than", "<": "less than"}[limit[2]]
        what = f"must be {bound} {float(limit[3]):g}" if not limit[1] else f"must have {bound} {limit[3]} item(s) or character(s)"
    else:
        names = [_TYPES.get(name, name) for name in match["types"].split(" | ") if name != "null"]
        what = f"must be {' or '.join(names)}"
    return Fault.at(path, what if isinstance(value, dict) else f"{what}; it is {shown_value(value)}")
