from __future__ import annotations

import struct
from pathlib import Path

import pytest

from jubako.backends.llama_cpp.gguf import NotGguf, read_header


def _string(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def _entry(key: str, kind: int, value: bytes) -> bytes:
    return _string(key) + struct.pack("<I", kind) + value


def _file(path: Path, *entries: bytes) -> Path:
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, len(entries)) + b"".join(entries))
    return path


NAME = _entry("general.architecture", 8, _string("llama"))
TAGS = _entry("general.tags", 9, struct.pack("<IQ", 8, 2) + _string("a") + _string("é"))
SCORES = _entry("general.scores", 9, struct.pack("<IQ", 6, 2) + struct.pack("<2f", 1, 2))
CONTEXT = _entry("llama.context_length", 4, struct.pack("<I", 8192))
POOLING = _entry("llama.pooling_type", 4, struct.pack("<I", 1))
VOCABULARY = _entry("tokenizer.ggml.tokens", 9, b"cut short")


def test_the_context_is_found_among_everything_else(tmp_path: Path) -> None:
    header = read_header(_file(tmp_path / "m.gguf", NAME, TAGS, SCORES, CONTEXT, POOLING))
    assert (header.context_length, header.pooling_type) == (8192, 1)


def test_the_vocabulary_is_not_read(tmp_path: Path) -> None:
    assert read_header(_file(tmp_path / "m.gguf", CONTEXT, VOCABULARY)).context_length == 8192


def test_a_file_that_does_not_say(tmp_path: Path) -> None:
    assert read_header(_file(tmp_path / "m.gguf", NAME)).context_length is None


@pytest.mark.parametrize(
    "content", [b"", b"GG", b"PK\x03\x04 not a model", b"GGUF\x03\x00", b"GGUF" + struct.pack("<IQQ", 3, 0, 5)]
)
def test_what_is_no_gguf_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m.gguf").write_bytes(content)
    with pytest.raises(NotGguf):
        read_header(tmp_path / "m.gguf")
