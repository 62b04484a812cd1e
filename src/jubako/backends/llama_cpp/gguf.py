"""Reads what a GGUF file says of itself, without loading it. The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

_MAGIC = b"GGUF"
_STRING, _ARRAY = 8, 9
_SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}

Scalar = int | float | bool | str


class NotGguf(Exception):
    """The file is no GGUF file, or is cut short."""


@dataclass(frozen=True, kw_only=True)
class Header:
    """What the file says of its model; None where it does not.

    Attributes:
        context_length: Tokens of context that the model was trained with.
        pooling_type: How token vectors become one, as llama.cpp numbers it.
    """

    context_length: int | None
    pooling_type: int | None


def read_header(path: Path) -> Header:
    """Read the model's own facts and not its vocabulary.

    Raises:
        NotGguf: `path` is no GGUF file.
    """
    try:
        with path.open("rb") as file:
            return _read(file)
    except (struct.error, UnicodeDecodeError, KeyError) as error:
        raise NotGguf(f"{path} is damaged or cut short") from error


def _read(file: BufferedReader) -> Header:
    if file.read(4) != _MAGIC:
        raise NotGguf(f"{file.name} is no GGUF file")
    _, _, entries = _unpack(file, "<I"), _unpack(file, "<Q"), int(_unpack(file, "<Q"))
    facts: dict[str, int] = {}
    for _ in range(entries):
        key = _string(file)
        if key.startswith("tokenizer.") and "context_length" in facts:
            # The vocabulary is long and comes after what the model says of itself.
            break
        value = _value(file, int(_unpack(file, "<I")))
        if isinstance(value, int):
            facts.setdefault(key.rpartition(".")[2], value)
    return Header(context_length=facts.get("context_length"), pooling_type=facts.get("pooling_type"))


def _value(file: BufferedReader, kind: int) -> Scalar | None:
    if kind == _STRING:
        return _string(file)
    if kind != _ARRAY:
        return _unpack(file, _SCALARS[kind])
    kind, length = int(_unpack(file, "<I")), int(_unpack(file, "<Q"))
    if kind in _SCALARS:
        file.seek(length * struct.calcsize(_SCALARS[kind]), 1)
        return None
    for _ in range(length):
        _value(file, kind)
    return None


def _string(file: BufferedReader) -> str:
    length = int(_unpack(file, "<Q"))
    return file.read(length).decode()


def _unpack(file: BufferedReader, form: str) -> int | float | bool:
    value: int | float | bool
    (value,) = struct.unpack(form, file.read(struct.calcsize(form)))
    return value
