"""The messages are the protocol's: the official client describes the same, and the generated files are those of the texts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf import json_format, text_format
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from tritonclient.grpc import model_config_pb2, service_pb2

from jubako.protos import inference
from jubako.protos.pool import POOL

ROOT = Path(__file__).parents[3]
OFFICIAL = [*service_pb2.DESCRIPTOR.message_types_by_name.values(), *model_config_pb2.DESCRIPTOR.message_types_by_name.values()]


def test_the_generated_files_are_those_of_the_texts(tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(ROOT / "protos/generate.py"), str(tmp_path)], check=True, timeout=60)
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    kept = {path.name: path.read_bytes() for path in (ROOT / "src/jubako/protos").iterdir() if path.name in made}
    assert made == kept, "run `make protos`"


@pytest.mark.parametrize("official", OFFICIAL, ids=lambda descriptor: descriptor.name)
def test_a_message_is_the_official_one(official: Descriptor) -> None:
    assert _message(POOL.FindMessageTypeByName(official.full_name)) == _message(official)


def test_the_enumerations_are_the_official_ones() -> None:
    for name, official in model_config_pb2.DESCRIPTOR.enum_types_by_name.items():
        assert _enum(POOL.FindEnumTypeByName(f"inference.{name}")) == _enum(official)


def test_the_service_is_the_official_one() -> None:
    official = service_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"]
    ours = POOL.FindServiceByName("inference.GRPCInferenceService")
    assert {m.name: _method(m) for m in ours.methods} == {m.name: _method(m) for m in official.methods}


def test_nothing_is_added_to_the_protocol() -> None:
    ours = {name for name in vars(inference) if isinstance(getattr(inference, name), type)}
    assert ours == {descriptor.name for descriptor in OFFICIAL}


def test_both_are_used_in_one_process() -> None:
    ours = inference.ModelInferRequest(model_name="m", raw_input_contents=[b"\0\1"])
    ours.parameters["priority"].uint64_param = 2
    theirs = service_pb2.ModelInferRequest.FromString(ours.SerializeToString())
    assert theirs.parameters["priority"].uint64_param == 2
    assert inference.ModelInferRequest.FromString(theirs.SerializeToString()) == ours


def test_a_configuration_is_read_from_text_and_json() -> None:
    text = 'name: "m" max_batch_size: 4 dynamic_batching {} input { name: "x" data_type: TYPE_BF16 dims: [ -1, 3 ] }'
    config = text_format.Parse(text, inference.ModelConfig())
    assert config.input[0].data_type == inference.TYPE_BF16
    assert config.WhichOneof("scheduling_choice") == "dynamic_batching"
    assert json_format.Parse(json_format.MessageToJson(config), inference.ModelConfig()) == config


def _message(descriptor: Descriptor) -> object:
    return {
        "fields": {field.name: _field(field) for field in descriptor.fields},
        "oneofs": {oneof.name: sorted(field.name for field in oneof.fields) for oneof in descriptor.oneofs},
        "messages": {nested.name: _message(nested) for nested in descriptor.nested_types},
        "enums": {enum.name: _enum(enum) for enum in descriptor.enum_types},
        "map": descriptor.GetOptions().map_entry,
    }


def _field(field: FieldDescriptor) -> object:
    kind = field.message_type or field.enum_type
    return (field.number, field.type, field.is_repeated, field.is_packed, field.has_presence, kind.full_name if kind else "")


def _enum(enum: EnumDescriptor) -> dict[str, int]:
    return {value.name: value.number for value in enum.values}


def _method(method: object) -> object:
    kinds = [getattr(method, kind).full_name for kind in ("input_type", "output_type")]
    return kinds, getattr(method, "client_streaming"), getattr(method, "server_streaming")  # noqa: B009 - untyped in the stubs
