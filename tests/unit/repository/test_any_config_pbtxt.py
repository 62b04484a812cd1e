"""No config.pbtxt, however strange, makes reading an entry raise."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import cast

from google.protobuf import text_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jubako.backends.declarations import BACKENDS
from jubako.protos import inference
from jubako.repository.repository import Repository, read_repository
from jubako.repository.triton.pbtxt import ConfigFile

NAMES = st.sampled_from(["", "m", "x", "y", "onnxruntime", "pytorch", "python", "ensemble", "onnxruntime_onnx", "model.onnx"])
TEXTS = NAMES | st.text(max_size=8)
BOUNDS = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}


def numbers(least: int, most: int) -> st.SearchStrategy[int]:
    return st.integers(max(least, -2), 9) | st.integers(least, most)


def scalar(draw: Callable[[st.SearchStrategy[object]], object], field: FieldDescriptor) -> object:
    if field.cpp_type in BOUNDS:
        return draw(numbers(*BOUNDS[field.cpp_type]))
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return draw(st.booleans())
    if field.enum_type is not None:
        return draw(st.sampled_from([value.number for value in field.enum_type.values]))
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        return draw(TEXTS)
    return draw(st.floats(-10, 10, width=32))


def fill(draw: Callable[[st.SearchStrategy[object]], object], message: Message, descriptor: Descriptor, depth: int) -> None:
    """Set some of the message's fields, by chance."""
    if not descriptor.fields:
        return
    chosen = draw(st.lists(st.sampled_from(list(descriptor.fields)), max_size=5, unique_by=lambda field: field.name))
    assert isinstance(chosen, list)
    for field in chosen:
        held = field.message_type
        if held is not None and depth == 0:
            continue
        value = getattr(message, field.name)
        count = draw(st.integers(1, 3))
        assert isinstance(count, int)
        if held is not None and held.GetOptions().map_entry:
            key = scalar(draw, held.fields_by_name["key"])
            item = held.fields_by_name["value"]
            if item.message_type is None:
                value[key] = scalar(draw, item)
            else:
                fill(draw, value[key], item.message_type, depth - 1)
        elif field.is_repeated:
            for _ in range(count):
                if held is None:
                    value.append(scalar(draw, field))
                else:
                    fill(draw, value.add(), held, depth - 1)
        elif held is not None:
            value.SetInParent()
            fill(draw, value, held, depth - 1)
        else:
            setattr(message, field.name, scalar(draw, field))


@st.composite
def configs(draw: st.DrawFn) -> inference.ModelConfig:
    config = inference.ModelConfig(backend=draw(st.sampled_from(["", "onnxruntime", "pytorch", "python", "ensemble"])))
    fill(draw, config, cast(Descriptor, config.DESCRIPTOR), 4)
    return config


def read(content: bytes, file: str = "model.onnx") -> Repository:
    with tempfile.TemporaryDirectory() as folder:
        entry = Path(folder) / "m"
        (entry / "1").mkdir(parents=True)
        (entry / "1" / file).touch()
        (entry / "config.pbtxt").write_bytes(content)
        return read_repository(Path(folder), BACKENDS)


@settings(deadline=None, max_examples=60)
@given(configs(), st.booleans())
def test_any_configuration(config: inference.ModelConfig, one_line: bool) -> None:
    content = text_format.MessageToString(config, as_one_line=one_line)
    repository = read(content.encode())
    assert set(repository.models) ^ set(repository.broken) == {"m"}
    lines = content.count("\n") + 1
    assert all(1 <= problem.line <= lines for problem in [*repository.problems, *repository.warnings])


@settings(deadline=None, max_examples=60)
@given(configs())
def test_every_field_has_its_line(config: inference.ModelConfig) -> None:
    """protobuf writes each field on a line of its own, its name first."""
    text = text_format.MessageToString(config)
    found = ConfigFile.parse(text, Path("config.pbtxt")).lines
    written = text.split("\n")
    for (*_, name, place), line in found.items():
        if isinstance(place, int):  # else it is the key of a mapping
            assert written[line - 1].split()[0].rstrip(":") == name
    assert set(found.values()) == {number for number, line in enumerate(written, 1) if line.strip() not in ("", "}")}


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode(errors="surrogatepass")))
@example(b"\xff")
@example(b"\x00")
@example(b'name: "\\xff"')
@example(b"input [")
@example(b"input [ {")
@example(b"input { dims: [ ] }")
@example(b"dynamic_batching < >")
@example(b"[a.b]: 1")
@example(b"parameters { key: }")
@example(b"sequence_batching { " * 3000)
def test_any_bytes(content: bytes) -> None:
    repository = read(content)
    assert set(repository.models) ^ set(repository.broken) == {"m"}
