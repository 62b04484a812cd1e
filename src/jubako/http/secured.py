"""Keys in the OpenAPI document: how they are sent, and what a caller without the right one is told."""

from __future__ import annotations

from typing import Any, Final

from jubako.errors import Forbidden, Unauthorized
from jubako.http.kserve.errors import ErrorMessage
from jubako.http.openai.answers import ErrorAnswer

Json = dict[str, Any]

_SCHEME: Final = "key"

SCHEMES: Final[Json] = {
    _SCHEME: {
        "type": "http",
        "scheme": "bearer",
        "description": "Where the server asks for keys: `Authorization: Bearer <key>`. The header `x-api-key` will do too.",
    }
}

SECURITY: Final[list[Json]] = [{}, {_SCHEME: []}]
"""Without a key or with one: which of them, the server's settings say."""

OPEN: Final = frozenset({"/livez", "/readyz", "/v2/health/live", "/v2/health/ready"})
"""Paths of the document that never take a key."""

_ERRORS: Final = (
    (Unauthorized, "The server asks for a key, and none of its keys came."),
    (Forbidden, "The key that came is not for this."),
)


def secured(paths: Json) -> Json:
    """`paths`, whose operations say what they answer where the key is missing."""
    for path, item in paths.items():
        body = ErrorMessage if path.startswith("/v2") else ErrorAnswer
        for operation in (described for name, described in item.items() if name != "parameters"):
            if path in OPEN:
                operation["security"] = []
            else:
                for kind, description in _ERRORS:
                    operation["responses"].setdefault(str(kind.http_status), _answer(description, body))
    return paths


def _answer(description: str, body: type[ErrorAnswer | ErrorMessage]) -> Json:
    schema = {"$ref": f"#/components/schemas/{body.__name__}"}
    return {"description": description, "content": {"application/json": {"schema": schema}}}
