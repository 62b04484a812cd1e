"""JSON of any form inside a request, such as a schema."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from jubako.dataplane.limits import MAX_ITEMS, too_many_items
from jubako.errors import InvalidRequest

_OBJECT = msgspec.json.Decoder(dict[str, Any])


def json_object(text: str, param: str) -> dict[str, Any]:
    """The JSON object that a field holds as text.

    Raises:
        InvalidRequest: it is none.
    """
    try:
        value = _OBJECT.decode(text)
    except msgspec.ValidationError:
        raise InvalidRequest(f"The JSON in {param!r} must be an object.", param=param, code="invalid_type") from None
    except msgspec.DecodeError as error:
        raise InvalidRequest(f"The text in {param!r} is not valid JSON: {error}.", param=param, code="invalid_json") from None
    except RecursionError:
        raise InvalidRequest(f"The JSON in {param!r} is nested too deeply.", param=param) from None
    require_small_integers(value, param)
    return value


def require_small_integers(value: object, path: str = "") -> None:
    """Any JSON might hold an integer that no engine and no frame has room for.

    Raises:
        InvalidRequest: `value`, which stands at `path`, does.
    """
    if (place := _large_integer(value)) is None:
        return
    for part in place:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    raise InvalidRequest(
        f"Invalid value for {path!r}: an integer must be between -2^63 and 2^63 - 1.",
        param=path or None,
        code="invalid_value",
    )


def _large_integer(value: object) -> tuple[str | int, ...] | None:
    """Where in `value` there is one; None where there is none."""
    if isinstance(value, int):
        return None if -(2**63) <= value < 2**63 else ()
    inside: Iterable[tuple[str | int, object]] = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for part, inner in inside:
        if isinstance(inner, int | dict | list) and (place := _large_integer(inner)) is not None:
            return part, *place
    return None


def require_few_values(value: object, param: str) -> None:
    """
    Raises:
        InvalidRequest: `value`, which is what the field `param` holds, has more than MAX_ITEMS values in it.
    """
    left = MAX_ITEMS
    holders = [value]
    while holders:
        holder = holders.pop()
        inside = holder.values() if isinstance(holder, dict) else holder if isinstance(holder, list) else ()
        left -= len(inside)
        if left < 0:
            raise too_many_items(param)
        holders += (inner for inner in inside if isinstance(inner, dict | list))
