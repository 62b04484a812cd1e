"""Everything in the texts of the services says what it is, in whole sentences."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto, FileDescriptorProto, FileDescriptorSet

PROTOS = Path(__file__).parents[4] / "protos"

Place = tuple[tuple[int, ...], str]
"""Where a comment belongs, as SourceCodeInfo writes it, and what is there."""


def test_everything_is_documented(tmp_path: Path) -> None:
    described = tmp_path / "described.binpb"
    texts = [str(path) for path in sorted((PROTOS / "jubako" / "v1").glob("*.proto"))]
    protoc = [sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTOS}", "--include_source_info"]
    subprocess.run([*protoc, f"--descriptor_set_out={described}", *texts], check=True, timeout=60)
    files = FileDescriptorSet.FromString(described.read_bytes()).file
    assert len(files) == len(texts) > 0
    undocumented = []
    for file in files:
        comments = {tuple(place.path): place.leading_comments.strip() for place in file.source_code_info.location}
        undocumented += [f"{file.name}: {name}" for path, name in _places(file) if not _is_sentence(comments[path])]
    assert undocumented == []


def _is_sentence(comment: str) -> bool:
    return comment.endswith(".") and comment[0].isupper() and len(comment.split()) > 1


def _places(file: FileDescriptorProto) -> Iterator[Place]:
    for number, service in enumerate(file.service):
        yield (6, number), service.name
        yield from (((6, number, 2, place), method.name) for place, method in enumerate(service.method))
    for number, message in enumerate(file.message_type):
        yield from _of_message(message, (4, number))
    for number, enum in enumerate(file.enum_type):
        yield from _of_enum(enum, (5, number))


def _of_message(message: DescriptorProto, path: tuple[int, ...]) -> Iterator[Place]:
    if message.options.map_entry:
        return
    yield path, message.name
    yield from (((*path, 2, place), f"{message.name}.{field.name}") for place, field in enumerate(message.field))
    for place, inner in enumerate(message.nested_type):
        yield from _of_message(inner, (*path, 3, place))
    for place, enum in enumerate(message.enum_type):
        yield from _of_enum(enum, (*path, 4, place))


def _of_enum(enum: EnumDescriptorProto, path: tuple[int, ...]) -> Iterator[Place]:
    yield path, enum.name
    yield from (((*path, 2, place), value.name) for place, value in enumerate(enum.value))
