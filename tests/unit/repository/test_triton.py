"""Entries of Triton's repositories: what becomes of them, and what is said of what can't be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor

from jubako.backends.declarations import BACKENDS
from jubako.protos import inference
from jubako.repository.config import BatchingConfig, QueueConfig, WarmupConfig
from jubako.repository.repository import Model, Repository, read_repository
from jubako.repository.source import LocalSource
from jubako.repository.triton.fields import FIELDS
from jubako.tensors import TensorSpec
from tests.unit.repository.conftest import Files, Write

DOCUMENT = Path(__file__).parents[3] / "docs" / "triton.md"

WHOLE = """\
name: "m"
platform: "onnxruntime_onnx"
max_batch_size: 8
input [
  { name: "x" data_type: TYPE_FP32 dims: [ -1, 3 ] allow_ragged_batch: true },
  { name: "y" data_type: TYPE_STRING dims: 1 optional: true }
]
output { name: "z" data_type: TYPE_BF16 dims: [ 2 ] label_filename: "l.txt" }
version_policy { specific { versions: [ 1, 3 ] } }
instance_group [ { count: 2 kind: KIND_CPU }, { kind: KIND_CPU }, { count: 5 passive: true } ]
default_model_filename: "net.onnx"
dynamic_batching {
  preferred_batch_size: [ 4, 8 ]
  max_queue_delay_microseconds: 1500
  preserve_ordering: true
  priority_levels: 3
  default_priority_level: 2
  default_queue_policy { timeout_action: DELAY default_timeout_microseconds: 500 max_queue_size: 7 }
  priority_queue_policy { key: 1 value { allow_timeout_override: true } }
}
parameters { key: "intra_op_thread_count" value { string_value: "3" } }
parameters { key: "session.intra_op.allow_spinning" value { string_value: "0" } }
optimization { graph { level: 1 } }
model_warmup {
  name: "w" batch_size: 2 count: 3
  inputs { key: "x" value { data_type: TYPE_FP32 dims: [ 4, 3 ] random_data: true } }
  inputs { key: "y" value { data_type: TYPE_STRING dims: 1 input_data_file: "y.raw" } }
}
model_transaction_policy { decoupled: true }
"""


def read(write: Write, files: Files) -> Repository:
    return read_repository(write(files), BACKENDS)


def read_one(write: Write, config: str, file: str = "m/1/model.onnx") -> Model:
    repository = read(write, {"m/config.pbtxt": config, file: ""})
    assert [str(problem) for problem in repository.problems] == []
    return repository.models["m"]


def problems_of(write: Write, config: str, file: str = "m/1/model.onnx") -> list[tuple[int, str]]:
    repository = read(write, {"m/config.pbtxt": config, file: ""})
    return [(problem.line, problem.message) for problem in repository.problems]


def test_every_field_arrives(write: Write) -> None:
    model = read_one(
        lambda files: write({**files, "m/3/net.onnx": "", "m/2/net.onnx": "", "m/l.txt": "a\nb\n", "m/warmup/y.raw": ""}),
        WHOLE,
        "m/1/net.onnx",
    )
    assert (model.config.backend, model.tasks, model.file.name) == ("onnx", ("infer",), "config.pbtxt")
    assert model.inputs == (
        TensorSpec(name="x", datatype="FP32", shape=[-1, 3], ragged=True),
        TensorSpec(name="y", datatype="BYTES", shape=[1], optional=True),
    )
    assert model.outputs == (TensorSpec(name="z", datatype="BF16", shape=[2], labels=["a", "b"]),)
    assert [version.number for version in model.served_versions] == [1, 3]
    assert model.latest.source == LocalSource("net.onnx")
    assert (model.config.max_batch_size, model.config.instances, model.decoupled) == (8, 3, True)
    assert model.config.batching == BatchingConfig(
        max_delay_ms=1.5,
        preferred_sizes=[4, 8],
        preserve_order=True,
        priority_levels=3,
        default_priority=2,
        queue=QueueConfig(max_size=7, timeout_ms=0.5, timeout_action="delay", allow_timeout_override=False),
        queues={1: QueueConfig()},
    )
    assert model.config.warmup == [
        WarmupConfig(name="w", batch_size=2, count=3, shapes={"x": [4, 3], "y": [1]}, data={"x": "random", "y": "y.raw"})
    ]
    engine = model.latest.engine
    assert (engine["providers"], engine["intra_op_threads"], engine["graph_optimization"]) == (["cpu"], 3, "extended")
    assert engine["session_config"] == {"session.intra_op.allow_spinning": "0"}
    assert model.warnings == ()


def test_the_configuration_is_shown_as_it_is(write: Write) -> None:
    given = 'backend: "onnxruntime"\nmax_batch_size: 2\nmetric_tags { key: "a" value: "b" }\ndynamic_batching {}\n'
    shown = json.loads(read_one(write, given).config_json)
    assert (shown["name"], shown["max_batch_size"], shown["metric_tags"]) == ("m", 2, {"a": "b"})
    assert shown["dynamic_batching"]["max_queue_delay_microseconds"] == 0
    assert shown["version_policy"] == {"latest": {"num_versions": 1}}
    parsed = json_format.ParseDict(shown, inference.ModelConfig())
    assert parsed.HasField("dynamic_batching")


def test_without_dynamic_batching_nothing_is_batched(write: Write) -> None:
    batching = read_one(write, 'backend: "onnxruntime"\nmax_batch_size: 4\n').config.batching
    assert (batching.enabled, batching.max_delay_ms, batching.queue.allow_timeout_override) == (False, 0, False)


@pytest.mark.parametrize(
    ("files", "backend", "source"),
    [
        ({"m/1/model.onnx": ""}, "onnx", "model.onnx"),
        ({"m/1/model.onnx/model.onnx": ""}, "onnx", "model.onnx"),
        ({"m/1/model.pt": ""}, "torch", "model.pt"),
        ({"m/1/model.py": "class TritonPythonModel: ...\n"}, "triton_python", "."),
        ({"m/config.pbtxt": "", "m/1/model.onnx": ""}, "onnx", "model.onnx"),
        ({"m/config.pbtxt": 'default_model_filename: "a.onnx"', "m/1/a.onnx": ""}, "onnx", "a.onnx"),
    ],
)
def test_a_model_file_is_enough(files: Files, backend: str, source: str, write: Write) -> None:
    repository = read(write, files)
    assert [str(problem) for problem in repository.problems] == []
    model = repository.models["m"]
    assert (model.config.backend, str(model.latest.source)) == (backend, source)
    # What the file does not say is completed from the model, batching included.
    assert (model.config.max_batch_size, model.config.batching.enabled) == (None, True)


def test_an_ensemble_needs_no_folder_of_a_version(write: Write) -> None:
    config = """
platform: "ensemble"
input { name: "in" data_type: TYPE_FP32 dims: 1 }
output { name: "out" data_type: TYPE_FP32 dims: 1 }
ensemble_scheduling { step [
  { model_name: "a" model_version: -1 input_map { key: "x" value: "in" } output_map { key: "y" value: "mid" } },
  { model_name: "b" model_version: 3 input_map { key: "x" value: "mid" } output_map { key: "y" value: "out" } }
] }
"""
    model = read(write, {"m/config.pbtxt": config}).models["m"]
    assert model.latest.engine["steps"] == [
        {"model": "a", "inputs": {"x": "in"}, "outputs": {"y": "mid"}},
        {"model": "b:3", "inputs": {"x": "mid"}, "outputs": {"y": "out"}},
    ]


ONNX = 'backend: "onnxruntime"\n'
CONVERT = "Export it to ONNX or TorchScript; of Triton's backends there are onnxruntime, pytorch, python, ensemble."
TENSOR = 'input {\n  name: "x"\n  data_type: TYPE_FP32\n  dims: [ -1, 3 ]\n}\n'

MISTAKES = {
    "no text format": (
        "a: b: c\n",
        1,
        "There is no field `a` here.",
    ),
    "an unclosed message": (
        ONNX + "dynamic_batching {\n",
        2,
        'This is not a model configuration in protobuf\'s text format: Expected "}".',
    ),
    "an unknown field": (
        ONNX + "dynamic_batching {\n  max_queue_delay: 3\n}\n",
        3,
        "There is no field `max_queue_delay` here. Did you mean `max_queue_delay_microseconds`?",
    ),
    "a value of another type": (
        ONNX + 'max_batch_size: "8"\n',
        2,
        "This is not a model configuration in protobuf's text format: Couldn't parse integer: \"8\".",
    ),
    "another name": (ONNX + 'name: "n"\n', 2, "`name` is 'n', but the folder is 'm': they must be the same."),
    "an unknown backend": ('\nbackend: "openvino"\n', 2, f"`backend` is 'openvino', which does not run here. {CONVERT}"),
    "an unknown platform": (
        'platform: "tensorrt_plan"\n',
        1,
        f"`platform` is 'tensorrt_plan', which does not run here. {CONVERT}",
    ),
    "a negative batch": (ONNX + "max_batch_size: -1\n", 2, "`max_batch_size` must be at least 0; it is -1."),
    "a dimension below -1": (
        ONNX + TENSOR.replace("-1, 3", "\n    3,\n    -2\n "),
        7,
        "`input.dims[1]` must be at least -1; it is -2.",
    ),
    "a tensor without a type": (
        ONNX + TENSOR.replace("data_type: TYPE_FP32", ""),
        2,
        "`input[0]` lacks `data_type`; it is required.",
    ),
    "a reshape": (
        ONNX + TENSOR.replace("dims: [ -1, 3 ]", "dims: 1 reshape { shape: [ ] }"),
        5,
        "`input.reshape` is not supported: give the shape that the engine takes in `dims`, and send it so.",
    ),
    "a preferred size that is too large": (
        ONNX + "max_batch_size: 4\ndynamic_batching {\n  preferred_batch_size: 4\n  preferred_batch_size: 8\n}\n",
        5,
        "`dynamic_batching.preferred_batch_size[1]` is 8, but no batch has more than 4 rows.",
    ),
    "levels without a default": (
        ONNX + "dynamic_batching {\n  priority_levels: 2\n}\n",
        2,
        "`dynamic_batching.default_priority_level` is missing; where there are priority levels, it is required.",
    ),
    "a policy of no level": (
        ONNX + "dynamic_batching {\n  priority_queue_policy {\n    key: 3 value {}\n  }\n}\n",
        3,
        "`dynamic_batching.priority_queue_policy.3` is about level 3, but there are no levels as long as "
        "`batching.priority_levels` is 0.",
    ),
    "sequences": (
        ONNX + "sequence_batching { oldest {} }\n",
        2,
        "`sequence_batching` is not supported: models that keep a state between requests are not served.",
    ),
    "operators of one's own": (
        ONNX + 'model_operations { op_library_filename: "x.so" }\n',
        2,
        "`model_operations` is not supported: libraries with operators of their own are not loaded.",
    ),
    "labels that are not there": (
        ONNX + 'output {\n  name: "y" data_type: TYPE_FP32 dims: 3\n  label_filename: "l.txt"\n}\n',
        4,
        "`output.label_filename` names 'l.txt', but there is no such file in m.",
    ),
    "a warm-up of another type": (
        ONNX + TENSOR + 'model_warmup {\n  inputs {\n    key: "x"\n    value { data_type: TYPE_INT8 dims: [ 1, 3 ] }\n  }\n}\n',
        10,
        "`model_warmup.inputs.x.data_type` is INT8, which the input is not.",
    ),
    "a warm-up that does not fit": (
        ONNX + TENSOR + 'model_warmup {\n  inputs {\n    key: "x"\n    value { data_type: TYPE_FP32 dims: [ 1, 4 ] }\n  }\n}\n',
        10,
        "`model_warmup.inputs.x.dims` is [1, 4], which does not fit the input's shape [-1, 3].",
    ),
    "a number of threads that is none": (
        ONNX + 'parameters {\n  key: "intra_op_thread_count"\n  value { string_value: "many" }\n}\n',
        2,
        "`parameters.intra_op_thread_count` must be a whole number; it is 'many'.",
    ),
    "a model's file that is not there": (
        ONNX + 'default_model_filename: "net.onnx"\n',
        2,
        "`default_model_filename` names 'net.onnx', but there is nothing at {root}/m/1/net.onnx.",
    ),
    "an ensemble without steps": (
        'platform: "ensemble"\n',
        1,
        "`ensemble_scheduling` must have the steps of the ensemble; there is none.",
    ),
    "steps of no ensemble": (
        ONNX + "ensemble_scheduling {}\n",
        2,
        '`ensemble_scheduling` is for entries with `platform: "ensemble"`.',
    ),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_one_mistake_is_one_problem_with_its_line(case: str, write: Write, tmp_path: Path) -> None:
    text, line, message = MISTAKES[case]
    found = problems_of(write, text)
    assert found == [(line, message.replace("{root}", str(tmp_path / "models")))]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        (
            "response_cache {\n  enable: true\n}\n",
            3,
            "`response_cache.enable` has no effect: there is no cache: every request is computed.",
        ),
        (
            "optimization {\n  cuda { graphs: true }\n}\n",
            3,
            "`optimization.cuda` has no effect: the engine looks after its own memory and streams.",
        ),
        (
            TENSOR.replace("dims", "is_shape_tensor: true dims"),
            5,
            "`input.is_shape_tensor` has no effect: it is for TensorRT, which does not run here.",
        ),
        (
            'parameters { key: "gpu_mem_limit" value { string_value: "9" } }\n',
            2,
            "`parameters.gpu_mem_limit` has no effect: the backend 'onnx' has no such parameter.",
        ),
    ],
)
def test_what_has_no_meaning_is_a_warning(text: str, line: int, message: str, write: Write) -> None:
    model = read_one(write, ONNX + text)
    assert [(warning.line, warning.message) for warning in model.warnings] == [(line, message)]
    assert read_repository(model.folder.parent, BACKENDS).warnings == list(model.warnings)


def test_what_says_nothing_is_no_warning(write: Write) -> None:
    assert read_one(write, ONNX + "response_cache { enable: false }\noptimization {}\n").warnings == ()


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("m/1/model.plan", f"m/1/model.plan is a model of TensorRT, which does not run here. {CONVERT}"),
        (
            "m/1/model.savedmodel/saved_model.pb",
            f"m/1/model.savedmodel is a model of TensorFlow, which does not run here. {CONVERT}",
        ),
        (
            "m/1/model.py",
            "m/1/model.py has no class TritonPythonModel, so it is no model by itself. If it is one of jubako's own kind, write "
            "a model.yaml with `backend: python`.",
        ),
    ],
)
def test_a_file_that_tells_no_backend(file: str, message: str, write: Write) -> None:
    assert [problem.message for problem in read(write, {file: ""}).problems] == [message]


def test_model_yaml_wins(write: Write) -> None:
    model = read(write, {"m/model.yaml": "backend: echo\n", "m/config.pbtxt": ONNX, "m/1/": ""}).models["m"]
    assert model.config.backend == "echo"
    assert [str(warning.file.name) for warning in model.warnings] == ["config.pbtxt"]


def test_odd_folders_are_passed_over_with_a_warning(write: Write) -> None:
    model = read(write, {"m/config.pbtxt": ONNX, "m/1/model.onnx": "", "m/01/": "", "m/notes/": ""}).models["m"]
    assert [version.number for version in model.versions] == [1]
    assert [warning.file.name for warning in model.warnings] == ["01"]


def test_a_version_without_its_file_fails_alone(write: Write) -> None:
    config = ONNX + "version_policy { all {} }\n"
    repository = read(write, {"m/config.pbtxt": config, "m/1/model.onnx": "", "m/2/other": ""})
    assert [version.number for version in repository.models["m"].served_versions] == [1]
    assert list(repository.broken_versions["m"]) == [2]


def test_code_needs_the_folder_of_a_version(write: Write) -> None:
    (problem,) = read(write, {"m/config.pbtxt": 'backend: "python"\n'}).problems
    assert problem.message.startswith("The entry has no version.")


# --- every field


def fields_of(descriptor: Descriptor, within: str = "") -> Iterator[str]:
    """The paths of all fields: of a mapping, those of its values; nothing below what is warned of or refused as a whole."""
    for field in descriptor.fields:
        path = f"{within}{field.name}"
        yield path
        held = field.message_type
        if held is not None and held.GetOptions().map_entry:
            held = held.fields_by_name["value"].message_type
        if held is not None and path in FIELDS and FIELDS[path].kind == "honoured":
            yield from fields_of(held, f"{path}.")


def test_every_field_is_honoured_warned_of_or_refused() -> None:
    assert set(fields_of(cast(Descriptor, inference.ModelConfig.DESCRIPTOR))) == set(FIELDS)


def test_the_table_of_the_fields_is_current() -> None:
    table = "\n".join(f"| `{path}` | {treatment.kind} | {treatment.what} |" for path, treatment in FIELDS.items())
    assert table in DOCUMENT.read_text(), f"the table of docs/triton.md must be\n{table}"


def test_the_lines_are_those_of_the_fields(write: Write) -> None:
    """A check of the line numbers on a text with every way of writing a field."""
    config = """\
# a comment { [
backend: 'onnx' "runtime"  # two texts are one
input: [
  { name: "a}" data_type: TYPE_FP32, dims: [1]; },
  <
    name: "b"
    data_type: TYPE_FP32
    dims: -5
  >
]
"""
    assert problems_of(write, config) == [(8, "`input[1].dims` must be at least -1; it is -5.")]
