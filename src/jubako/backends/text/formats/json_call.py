"""Calls that are JSON: where an object ends, and what it calls."""

from __future__ import annotations

import json
import re
from typing import Any

HEADER = re.compile(
    r"""\s*\{\s*(?:"type"\s*:\s*"function"\s*,\s*)?"""
    r""""name"\s*:\s*("(?:[^"\\]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*")\s*,\s*"(?:arguments|parameters)"\s*:\s*(?=\{)"""
)
"""All that comes before the arguments of a call that is written in the usual order; group 1 is the name as JSON."""

_FIRST_KEY = re.compile(r'\{\s*(?:"([a-z]*)("?)|\Z)')
_KEYS = ("name", "arguments", "parameters", "type", "id")


class ObjectScanner:
    """Finds the end of a JSON object in text that comes in pieces.

    Args:
        depth: How many brackets are open where the text begins.
    """

    def __init__(self, depth: int = 0) -> None:
        self.complete = False
        self._depth = depth
        self._in_string = False
        self._escaped = False

    def scan(self, text: str) -> int:
        """How much of `text` belongs to the object."""
        for position, character in enumerate(text):
            if self._in_string:
                self._step_in_string(character)
            elif character == '"':
                self._in_string = True
            elif character in "{[":
                self._depth += 1
            elif character in "}]":
                self._depth -= 1
                if self._depth == 0:
                    self.complete = True
                    return position + 1
            elif character == "<":
                # No JSON: the call was closed with its object open.
                self.complete = True
                return position
        return len(text)

    def _step_in_string(self, character: str) -> None:
        if self._escaped:
            self._escaped = False
        elif character == "\\":
            self._escaped = True
        elif character == '"':
            self._in_string = False


def may_be_call(text: str) -> bool:
    """Whether `text`, which may be cut anywhere, can be the beginning of a JSON object that calls a function."""
    match = _FIRST_KEY.match(text)
    if match is None:
        return text == ""
    key, closed = match[1], match[2]
    if key is None:
        return True
    return key in _KEYS if closed else match.end() == len(text) and any(known.startswith(key) for known in _KEYS)


def parse_call(body: str) -> tuple[str, dict[str, Any]] | None:
    """Name and arguments, or None where `body` is no call."""
    try:
        call = json.loads(body, strict=False)
    except (ValueError, RecursionError):
        return None
    if not isinstance(call, dict):
        return None
    name, arguments = call.get("name"), call.get("arguments", call.get("parameters", {}))
    return (name, arguments) if isinstance(name, str) and isinstance(arguments, dict) else None
