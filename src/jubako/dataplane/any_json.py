"""JSON of any form inside a request, such as a schema."""

from __future__ import annotations

from typing import Any

import msgspec

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
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise InvalidRequest(
            f"Invalid value for {path!r}: an integer must be between -2^63 and 2^63 - 1.",
            param=path or None,
            code="invalid_value",
        )
    if isinstance(value, dict):
        for key, inner in value.items():
            require_small_integers(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            require_small_integers(inner, f"{path}[{position}]")
