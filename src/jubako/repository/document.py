"""A YAML file, read with the line of everything in it.

Plain values follow YAML 1.2, as editors read it: ``on`` and ``12:30`` are text, ``1e-3`` is a number. Every fault of the
file becomes a :class:`Problem`; nothing is raised.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import yaml

from jubako.repository.problem import FieldPath, Problem, shown_path

Value: TypeAlias = "str | int | float | bool | list[Value] | dict[str, Value] | None"

MAX_BYTES = 256 * 1024
MAX_DEPTH = 32
MAX_VALUES = 10_000
"""Values once aliases are written out."""
MAX_NODES = 2 * MAX_VALUES
"""Keys and values as they are written."""


@dataclass(frozen=True)
class Document:
    """The mapping that a file holds. Keys are text, as written; `fields` lacks the plain values that `problems` names.

    `names` is what the file calls a field, by the path that model.yaml gives it, where that is another name.
    """

    file: Path
    fields: dict[str, Value] = field(default_factory=dict)
    lines: Mapping[FieldPath, int] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    names: Mapping[FieldPath, str] = field(default_factory=dict)

    @classmethod
    def read(cls, file: Path) -> Document:
        try:
            if file.stat().st_size > MAX_BYTES:
                return cls._unreadable(file, 1, f"The file is larger than {MAX_BYTES} bytes, which no entry needs to be.")
            text = file.read_bytes().decode()
        except UnicodeDecodeError as error:
            line = error.object[: error.start].count(b"\n") + 1
            return cls._unreadable(file, line, "The file is not text in UTF-8. Save it in that encoding.")
        except OSError as error:
            return cls._unreadable(file, 1, f"The file can't be read: {error.strerror}.")
        return cls.parse(text, file)

    @classmethod
    def parse(cls, text: str, file: Path) -> Document:
        try:
            root = yaml.compose(text, Loader=_CoreLoader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            what = ", ".join(part for part in (error.context, error.problem) if part)
            return cls._unreadable(file, mark.line + 1 if mark else 1, f"This is not YAML: {what}.")
        except yaml.reader.ReaderError as error:
            line = text[: error.position].count("\n") + 1
            return cls._unreadable(file, line, f"The character U+{error.character:04X} is not allowed in YAML.")
        except _TooLarge as error:
            return cls._unreadable(file, error.line, error.message)
        except (ValueError, OverflowError) as error:  # the scanner's own conversions, such as of \U escapes
            return cls._unreadable(file, 1, f"This is not YAML: {error}.")
        if root is None:
            return cls(file)
        return _Builder(file).document(root)

    @classmethod
    def _unreadable(cls, file: Path, line: int, message: str) -> Document:
        return cls(file, problems=(Problem(file, line, message),))

    def line(self, path: FieldPath) -> int:
        """The line of the value at `path`, or of the nearest value around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def problem(self, path: FieldPath, message: str) -> Problem:
        if path in self.names:
            message = message.replace(f"`{shown_path(path)}`", f"`{self.names[path]}`")
        return Problem(self.file, self.line(path), message)


class _TooLarge(Exception):
    """The file is more than is read of any."""

    def __init__(self, mark: yaml.Mark, message: str) -> None:
        super().__init__(message)
        self.line = mark.line + 1
        self.message = message


class _CoreLoader(yaml.SafeLoader):
    """YAML 1.2's core schema in place of PyYAML's 1.1. It gives up at what is too much, before the time for it is spent.

    Raises:
        _TooLarge: the file holds too many values, or is nested too deep.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._values = 0
        self._depth = 0

    def fetch_flow_collection_start(self, token: type[yaml.Token]) -> None:
        # The scanner looks ahead, and for each bracket at all that are open.
        self._require_depth(self.flow_level)
        super().fetch_flow_collection_start(token)

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self._values += 1
        if self._values > MAX_NODES:
            raise _TooLarge(self.get_mark(), f"The file holds more than {MAX_NODES} keys and values, which no entry needs.")
        self._require_depth(self._depth)
        self._depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1

    def _require_depth(self, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise _TooLarge(self.get_mark(), f"The file is nested more than {MAX_DEPTH} deep, which no entry needs.")


_CoreLoader.yaml_implicit_resolvers = {}

_NULL, _BOOL, _INT, _FLOAT, _STR, _MERGE = (
    f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "str", "merge")
)
for _tag, _pattern, _first in (
    (_NULL, r"null|Null|NULL|~|", ["n", "N", "~", ""]),
    (_BOOL, r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    (_INT, r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    (
        _FLOAT,
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
    (_MERGE, r"<<", ["<"]),
):
    _CoreLoader.add_implicit_resolver(_tag, re.compile(rf"(?:{_pattern})\Z"), _first)


class _Builder:
    """Makes one document of one tree of nodes."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.lines: dict[FieldPath, int] = {}
        self.problems: list[Problem] = []
        self.values = 0
        self.depth = 0

    def document(self, root: yaml.Node) -> Document:
        if not isinstance(root, yaml.MappingNode):
            self._problem(root, "The file must hold a mapping: lines such as `backend: llama_cpp`.")
            return Document(self.file, problems=tuple(self.problems))
        try:
            fields = self._mapping(root, ())
        except _TooLarge as error:
            fields = {}
            self._problem(root, error.message)
        return Document(self.file, fields, self.lines, tuple(self.problems))

    def _value(self, node: yaml.Node, path: FieldPath) -> Value:
        self.values += 1
        if self.values > MAX_VALUES or self.depth >= MAX_DEPTH:
            # An alias may hold itself, or double with each level.
            what = "The file holds too many values, or is nested too deep, once its aliases are written out."
            raise _TooLarge(node.start_mark, what)
        self.depth += 1
        try:
            return self._built(node, path)
        finally:
            self.depth -= 1

    def _built(self, node: yaml.Node, path: FieldPath) -> Value:
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return self._sequence(node, path)
        assert isinstance(node, yaml.ScalarNode)
        return self._scalar(node)

    def _sequence(self, node: yaml.SequenceNode, path: FieldPath) -> list[Value]:
        items: list[Value] = []
        for index, item in enumerate(node.value):
            self.lines[*path, index] = item.start_mark.line + 1
            items.append(self._value(item, (*path, index)))
        return items

    def _mapping(self, node: yaml.MappingNode, path: FieldPath) -> dict[str, Value]:
        fields: dict[str, Value] = {}
        for key, value in node.value:
            if key.tag == _MERGE:
                continue
            if not isinstance(key, yaml.ScalarNode):
                self._problem(key, "A key must be a plain name.")
                continue
            name = key.value
            if name in fields:
                self._problem(key, f"`{name}` is written twice; it is already on line {self.lines[*path, name]}.")
                continue
            self.lines[*path, name] = key.start_mark.line + 1
            known = len(self.problems)
            built = self._value(value, (*path, name))
            if len(self.problems) == known or not isinstance(value, yaml.ScalarNode):
                fields[name] = built
        for key, value in node.value:
            if key.tag == _MERGE:
                self._merge(value, fields, path)
        return fields

    def _merge(self, node: yaml.Node, fields: dict[str, Value], path: FieldPath) -> None:
        """``<<: *anchor``: what the mapping itself does not say."""
        sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
        for source in sources:
            if not isinstance(source, yaml.MappingNode):
                self._problem(node, "`<<` must name a mapping.")
                continue
            own, self.lines = self.lines, {}
            merged = self._value(source, path)
            assert isinstance(merged, dict)
            for place, line in self.lines.items():
                own.setdefault(place, line)
            self.lines = own
            for name, value in merged.items():
                fields.setdefault(name, value)

    def _scalar(self, node: yaml.ScalarNode) -> Value:
        text: str = node.value
        try:
            if node.tag == _STR:
                text.encode()
                return text
            if node.tag == _NULL:
                return None
            if node.tag == _BOOL:
                return text.lower() == "true"
            if node.tag == _INT:
                return int(text, 0) if text.startswith(("0o", "0x")) else int(text)
            if node.tag == _FLOAT:
                return self._float(node)
        except UnicodeEncodeError:
            self._problem(node, "The text holds half of a character (a lone surrogate).")
            return None
        except ValueError:
            self._problem(node, f"`{text[:40]}` is not a number that can be read.")
            return None
        self._problem(
            node, f"The tag `{node.tag.replace('tag:yaml.org,2002:', '!!')}` is not understood here; write a plain value."
        )
        return None

    def _float(self, node: yaml.ScalarNode) -> float | None:
        text = node.value.lower()
        number = float(text.replace(".inf", "inf").replace(".nan", "nan"))
        if math.isfinite(number):
            return number
        self._problem(node, f"`{node.value[:40]}` is not a finite number.")
        return None

    def _problem(self, node: yaml.Node, message: str) -> None:
        self.problems.append(Problem(self.file, node.start_mark.line + 1, message))
