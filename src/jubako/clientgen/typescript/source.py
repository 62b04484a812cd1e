"""Pieces of TypeScript as `biome format` and prettier write them, at :data:`WIDTH` characters a line."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import TypeAlias

WIDTH = 130

Value: TypeAlias = "str | int | bool | Sequence[Value] | Mapping[str, Value]"
"""What a literal holds."""

_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f", "\v": "\\v"}


def quoted(text: str) -> str:
    """A string literal: in double quotes, unless single ones save backslashes."""
    quote = "'" if text.count('"') > text.count("'") else '"'
    body = "".join(_character(character, quote) for character in text)
    return f"{quote}{body}{quote}"


def key(name: str) -> str:
    """The name of a property: in quotes only where it needs them."""
    return name if name.replace("$", "_").isidentifier() else quoted(name)


def shown(value: Value, margin: int, used: int) -> str:
    """A literal. Objects are on lines of their own, lists only where they are too long.

    Args:
        margin: How far the line on which it begins is indented.
        used: Characters that stand on that line before and behind it, the margin left out.
    """
    if isinstance(value, Mapping):
        if not value:
            return "{}"
        inner = margin + 2
        lines = [f"{key(name)}: {shown(each, inner, len(key(name)) + 3)}," for name, each in value.items()]
        return _on_lines("{", lines, "}", margin)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int)):
        return quoted(value) if isinstance(value, str) else str(value)
    items = [shown(each, margin + 2, 0) for each in value]
    line = f"[{', '.join(items)}]"
    return line if margin + used + len(line) <= WIDTH else _on_lines("[", [f"{item}," for item in items], "]", margin)


def union(before: str, values: Sequence[str | int]) -> str:
    """The declaration of a type that is one of the values; `before` ends with ``=``."""
    items = [shown(value, 0, 0) for value in values]
    line = f"{before} {' | '.join(items)};"
    return line if len(line) <= WIDTH else "\n".join([before, *(f"  | {item}" for item in items)]) + ";"


def names(before: str, items: Sequence[str], after: str) -> str:
    """What names things between braces, such as an import."""
    line = f"{before} {{ {', '.join(items)} }}{after}"
    return line if len(line) <= WIDTH else _on_lines(f"{before} {{", [f"{item}," for item in items], f"}}{after}", 0)


def signature(before: str, parameters: Sequence[str], after: str, margin: int = 2) -> str:
    """The head of a method, its parameters on lines of their own where one line is too short for all."""
    line = f"{before}({', '.join(parameters)}){after}"
    if margin + len(line) <= WIDTH:
        return line
    return _on_lines(f"{before}(", [f"{parameter}," for parameter in parameters], f"){after}", margin)


def comment(text: str, margin: int = 0) -> str:
    """A comment for those who read the documentation: on one line, if it is short."""
    plain = re.sub(r"\s+", " ", text).strip().replace("*/", "*\\/")
    if margin + len(plain) + 7 <= WIDTH:
        return f"/** {plain} */"
    lines = textwrap.wrap(plain, WIDTH - margin - 3, break_long_words=False, break_on_hyphens=False)
    spaces = " " * margin
    return "\n".join(["/**", *(f"{spaces} * {line}" for line in lines), f"{spaces} */"])


def _on_lines(opening: str, lines: Sequence[str], closing: str, margin: int) -> str:
    spaces = " " * margin
    return "\n".join([opening, *(f"{spaces}  {line}" for line in lines), f"{spaces}{closing}"])


def _character(character: str, quote: str) -> str:
    if character in (quote, "\\"):
        return f"\\{character}"
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    return f"\\u{ord(character):04x}" if ord(character) < 0x10000 else f"\\u{{{ord(character):x}}}"
