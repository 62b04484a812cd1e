"""``config.pbtxt``: protobuf's text format, read with the line of everything in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from google.protobuf import text_format

from jubako.protos import inference
from jubako.repository.document import MAX_BYTES
from jubako.repository.problem import FieldPath, Problem, nearest

_WHERE = re.compile(r"\A\d+:\d+ : ('.*': )?", re.DOTALL)
_NO_FIELD = re.compile(r'Message type "inference\.(?P<message>[\w.]+)" has no field named "(?P<field>\w+)"')
_TOKEN = re.compile(
    r"""(?P<space>\s+|\#[^\n]*)|(?P<text>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')|(?P<word>[\w.+-]+)|(?P<mark>.)""", re.DOTALL
)


@dataclass(frozen=True)
class ConfigFile:
    """What a config.pbtxt says. Where it can't be read, `problems` say why and `config` is empty.

    Attributes:
        lines: Of each field, by its path: names, each followed by the field's index (0 unless it is repeated), or by the key of a
            mapping, such as ``("input", 0, "dims", 0)`` or ``("parameters", "threads")``.
    """

    file: Path
    config: inference.ModelConfig = field(default_factory=inference.ModelConfig)
    lines: dict[FieldPath, int] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    @classmethod
    def read(cls, file: Path) -> ConfigFile:
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
    def parse(cls, text: str, file: Path) -> ConfigFile:
        config = inference.ModelConfig()
        try:
            text_format.Parse(text, config)
        except text_format.ParseError as error:
            last = text.count("\n") + 1
            return cls._unreadable(file, min(error.GetLine() or 1, last), _sentence(str(error)))
        except RecursionError:
            return cls._unreadable(file, 1, "The file is nested too deep.")
        return cls(file, config, dict(_Lines(text).of_message(())))

    @classmethod
    def _unreadable(cls, file: Path, line: int, message: str) -> ConfigFile:
        return cls(file, problems=(Problem(file, line, message),))

    def line(self, path: FieldPath) -> int:
        """The line of the field at `path`, or of what holds it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def _sentence(error: str) -> str:
    what = _WHERE.sub("", error).rstrip(".")
    if match := _NO_FIELD.search(what):
        return f"There is no field `{match['field']}` here. {nearest(match['field'], _fields_of(match['message']))}".rstrip()
    return f"This is not a model configuration in protobuf's text format: {what}."


def _fields_of(message: str) -> list[str]:
    descriptor = inference.ModelConfig.DESCRIPTOR.file.pool.FindMessageTypeByName(f"inference.{message}")
    return [str(name) for name in descriptor.fields_by_name]


class _Lines:
    """Finds the fields of a text that is known to be in the text format."""

    def __init__(self, text: str) -> None:
        self.tokens = list(self._read(text))
        self.at = 0
        self.keys: dict[FieldPath, str] = {}

    def of_message(self, path: FieldPath) -> Iterator[tuple[FieldPath, int]]:
        """The fields of the message that begins here, up to its closing bracket."""
        counts: dict[str, int] = {}
        while self.at < len(self.tokens) and self._peek() not in "}>":
            name, line = self.tokens[self.at]
            self.at += 1
            if name in ",;":
                continue
            self._skip(":")
            in_list = self._skip("[")
            while self.at < len(self.tokens):
                here: FieldPath = (*path, name, counts.get(name, 0))
                counts[name] = counts.get(name, 0) + 1
                yield here, line if not in_list else self.tokens[self.at][1]
                yield from self._of_value(here)
                if not in_list:
                    break
                self._skip(",")
                if self._skip("]"):
                    break
        self.at += 1

    def _of_value(self, path: FieldPath) -> Iterator[tuple[FieldPath, int]]:
        if self._skip("{") or self._skip("<"):
            line = self.tokens[self.at - 1][1]
            inner = list(self.of_message(path))
            yield from inner
            if key := self.keys.get((*path, "key", 0)):  # an item of a mapping: by its key too
                yield (*path[:-1], key), line
                yield from (((*path[:-1], key, *where[len(path) :]), found) for where, found in inner)
        elif self._peek() != "]":
            text = self._scalar()
            if path[-2:] == ("key", 0):
                self.keys[path] = text

    def _scalar(self) -> str:
        if self._peek()[0] not in "\"'":
            self.at += 1
            return self.tokens[self.at - 1][0]
        text = ""
        while self._peek()[0] in "\"'":  # texts that follow each other are one
            text += self._peek()[1:-1]
            self.at += 1
        return text

    def _peek(self) -> str:
        return self.tokens[self.at][0] if self.at < len(self.tokens) else "}"

    def _skip(self, token: str) -> bool:
        found = self.at < len(self.tokens) and self.tokens[self.at][0] == token
        self.at += found
        return found

    @staticmethod
    def _read(text: str) -> Iterator[tuple[str, int]]:
        line = 1
        for match in _TOKEN.finditer(text):
            if match.lastgroup != "space":
                yield match.group(), line
            line += match.group().count("\n")
