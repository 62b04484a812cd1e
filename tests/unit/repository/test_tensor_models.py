"""What a model.yaml says of tensors: what becomes of it, and each kind of mistake with its line."""

from __future__ import annotations

import json

import pytest

from jubako.backends.declarations import BACKENDS
from jubako.repository.config import QueueConfig, WarmupConfig
from jubako.repository.model_configuration import completed_configuration
from jubako.repository.repository import Model, read_repository
from jubako.tensors import Datatype, Signature, TensorSpec
from tests.unit.repository.conftest import Files, Write

TENSORS = """\
backend: onnx
max_batch_size: 8
inputs:
  - {name: x, datatype: FP32, shape: [-1, 3]}
  - {name: y, datatype: INT64, shape: [2], optional: true, ragged: true}
outputs:
  - {name: z, datatype: FP32, shape: [2]}
"""


def read_one(write: Write, files: Files) -> Model:
    repository = read_repository(write({"m/1/model.onnx": "", **files}), BACKENDS)
    assert [str(problem) for problem in repository.problems] == []
    return repository.models["m"]


def test_every_field_arrives(write: Write) -> None:
    model = read_one(
        write,
        {
            "m/model.yaml": TENSORS.replace("shape: [2]}\n", "shape: [2], labels: l.txt, description: d}\n", 3)
            .replace("ragged: true", "ragged: true, description: d")
            .replace("optional: true, ragged: true, description: d, labels: l.txt", "optional: true")
            + "decoupled: true\nparameters: {a: 1, b: 1.5, c: true, d: x}\n"
            "batching: {max_delay_ms: 2, priority_levels: 2, default_priority: 1, cost: x, length_buckets: {x: [8, 16]},\n"
            "  queues: {1: {max_size: 3, timeout_action: delay}}}\n"
            "warmup:\n  - {name: w, batch_size: 2, shapes: {x: [4, 3]}, data: {x: random, y: y.raw}}\n",
            "m/l.txt": "cat\ndog\n",
            "m/warmup/y.raw": "1234",
        },
    )
    assert model.inputs == (
        TensorSpec(name="x", datatype="FP32", shape=[-1, 3]),
        TensorSpec(name="y", datatype="INT64", shape=[2], optional=True, ragged=True, description="d"),
    )
    assert model.outputs == (TensorSpec(name="z", datatype="FP32", shape=[2], labels=["cat", "dog"], description="d"),)
    assert model.decoupled
    assert model.config.parameters == {"a": 1, "b": 1.5, "c": True, "d": "x"}
    assert model.config.batching.queues == {1: QueueConfig(max_size=3, timeout_action="delay")}
    assert model.config.batching.length_buckets == {"x": [8, 16]}
    assert model.config.warmup == [WarmupConfig(name="w", batch_size=2, shapes={"x": [4, 3]}, data={"x": "random", "y": "y.raw"})]


def test_labels_may_be_a_list(write: Write) -> None:
    model = read_one(write, {"m/model.yaml": TENSORS.replace("shape: [2]}\n", "shape: [2], labels: [a, b]}\n")})
    assert model.outputs[0].labels == ["a", "b"]


@pytest.mark.parametrize(
    ("datatype", "shape"),
    [("UINT8", [-1, -1, 3]), ("UINT8", [224, 224, 1]), ("UINT8", [-1, 64, 4]), ("BYTES", [1]), ("BYTES", [-1])],
)
def test_an_input_may_be_an_image(datatype: Datatype, shape: list[int], write: Write) -> None:
    entry = f"backend: onnx\ninputs: [{{name: x, datatype: {datatype}, shape: {shape}, content: image}}]\n"
    model = read_one(write, {"m/model.yaml": entry})
    assert model.inputs == (TensorSpec(name="x", datatype=datatype, shape=shape, content="image"),)


WHAT_AN_IMAGE_IS = (
    "`inputs[0].content` is image, so the input must be UINT8 of the shape [height, width, channels] with 1, 3 or 4 channels, "
    "the batch dimension left out, or BYTES with an image file in each element"
)
MISTAKES = {
    "an unknown field of a tensor": (
        "inputs:\n  - name: x\n    datatype: FP32\n    shap: [1]\n    shape: [1]\n",
        4,
        "There is no field `inputs[0].shap`. Did you mean `shape`?",
    ),
    "a missing field of a tensor": (
        "inputs:\n  - {name: x, datatype: FP32, shape: [1]}\n  - {name: y, shape: [1]}\n",
        3,
        "The field `inputs[1].datatype` is missing; it is required.",
    ),
    "an unknown datatype": (
        "outputs:\n  - name: x\n    shape: [1]\n    datatype: FP33\n",
        4,
        "`outputs[0].datatype` must be one of BOOL, UINT8, UINT16, UINT32, UINT64, INT8, INT16, INT32, INT64, FP16, BF16, FP32, "
        "FP64, BYTES; it is 'FP33'. Did you mean `FP32`?",
    ),
    "a dimension below -1": (
        "inputs:\n  - name: x\n    datatype: FP32\n    shape:\n      - 1\n      - -2\n",
        6,
        "`inputs[0].shape[1]` must be at least -1; it is -2.",
    ),
    "labels of another type": (
        "outputs:\n  - name: x\n    datatype: FP32\n    shape: [1]\n    labels: 3\n",
        5,
        "`outputs[0].labels` must be text or a list of text; it is 3.",
    ),
    "labels that are not there": (
        "outputs:\n  - name: x\n    datatype: FP32\n    shape: [1]\n    labels: l.txt\n",
        5,
        "`outputs[0].labels` names 'l.txt', but there is no such file in m.",
    ),
    "labels outside": (
        "outputs:\n  - {name: x, datatype: FP32, shape: [1], labels: ../l.txt}\n",
        2,
        "`outputs[0].labels` must name a file in the entry's folder; it is '../l.txt'.",
    ),
    "labels of an input": (
        "inputs:\n  - {name: x, datatype: FP32, shape: [1], labels: [a]}\n",
        2,
        "`inputs[0].labels` is for outputs only: labels name the classes of a result.",
    ),
    "an image of floats": (
        "inputs:\n  - name: x\n    datatype: FP32\n    shape: [3, -1, -1]\n    content: image\n",
        5,
        f"{WHAT_AN_IMAGE_IS}; it is FP32 of the shape [3, -1, -1].",
    ),
    "an image of two channels": (
        "inputs:\n  - {name: x, datatype: UINT8, shape: [8, 8, 2], content: image}\n",
        2,
        f"{WHAT_AN_IMAGE_IS}; it is UINT8 of the shape [8, 8, 2].",
    ),
    "an image with a batch dimension": (
        "inputs:\n  - {name: x, datatype: UINT8, shape: [-1, 8, 8, 3], content: image}\n",
        2,
        f"{WHAT_AN_IMAGE_IS}; it is UINT8 of the shape [-1, 8, 8, 3].",
    ),
    "an image that is given": (
        "outputs:\n  - {name: x, datatype: UINT8, shape: [8, 8, 3], content: image}\n",
        2,
        "`outputs[0].content` is for inputs only: it says what clients may give.",
    ),
    "a content that nobody knows": (
        "inputs:\n  - {name: x, datatype: BYTES, shape: [1], content: imag}\n",
        2,
        "`inputs[0].content` must be one of image; it is 'imag'. Did you mean `image`?",
    ),
    "a name twice": (
        "inputs:\n  - {name: x, datatype: FP32, shape: [1]}\n  - {name: x, datatype: FP32, shape: [1]}\n",
        3,
        "`inputs[1].name` is 'x', which is the name of `inputs[0]` too.",
    ),
    "an unknown field of batching": (
        "batching:\n  max_delay: 3\n",
        2,
        "There is no field `batching.max_delay`. Did you mean `max_delay_ms`?",
    ),
    "an unknown field of a queue": (
        "batching:\n  priority_levels: 1\n  queues:\n    1:\n      max_siz: 3\n",
        5,
        "There is no field `batching.queues.1.max_siz`. Did you mean `max_size`?",
    ),
    "a level that is no number": (
        "batching:\n  queues:\n    high: {}\n",
        3,
        "`batching.queues` must have whole numbers as its keys; one is 'high'.",
    ),
    "a queue of no level": (
        "batching:\n  priority_levels: 2\n  queues:\n    3: {}\n",
        4,
        "`batching.queues.3` is about level 3, but the levels are 1 to 2.",
    ),
    "a default level without levels": (
        "batching:\n  default_priority: 1\n",
        2,
        "`batching.default_priority` is about level 1, but there are no levels as long as `batching.priority_levels` is 0.",
    ),
    "a preferred size that is too large": (
        "max_batch_size: 4\nbatching:\n  preferred_sizes:\n    - 4\n    - 8\n",
        5,
        "`batching.preferred_sizes[1]` is 8, but no batch has more than 4 rows.",
    ),
    "a cost of another type": (
        "batching:\n  cost: 3\n",
        2,
        "`batching.cost` must be text; it is 3.",
    ),
    "a cost of no input": (
        "inputs: [{name: x, datatype: FP32, shape: [1]}]\nbatching:\n  cost: y\n",
        3,
        "`batching.cost` is 'y', which is neither rows, elements nor model, nor one of the inputs x.",
    ),
    "buckets of no input": (
        "inputs: [{name: x, datatype: FP32, shape: [-1]}]\nbatching:\n  length_buckets:\n    y: [8]\n",
        4,
        "`batching.length_buckets.y` names no input; the inputs are x.",
    ),
    "buckets of an input with two free dimensions": (
        "inputs: [{name: x, datatype: FP32, shape: [-1, -1]}]\nbatching:\n  length_buckets:\n    x: [8]\n",
        4,
        "`batching.length_buckets.x` needs an input with exactly one -1 in its shape; the shape of 'x' is [-1, -1].",
    ),
    "a warm-up of no input": (
        "inputs: [{name: x, datatype: FP32, shape: [1]}]\nwarmup:\n  - data:\n      y: zeros\n",
        4,
        "`warmup[0].data.y` names no input; the inputs are x.",
    ),
    "a warm-up that does not fit": (
        "inputs: [{name: x, datatype: FP32, shape: [-1, 3]}]\nwarmup:\n  - shapes:\n      x: [4, 4]\n",
        4,
        "`warmup[0].shapes.x` is [4, 4], which does not fit the input's shape [-1, 3].",
    ),
    "a warm-up with a file that is not there": (
        "warmup:\n  - {}\n  - data:\n      x: x.raw\n",
        4,
        "`warmup[1].data.x` must be zeros, random or a file in m/warmup; there is no file 'x.raw'.",
    ),
    "a warm-up with a file outside": (
        "warmup:\n  - data: {x: ../model.yaml}\n",
        2,
        "`warmup[0].data.x` must be zeros, random or a file in m/warmup; there is no file '../model.yaml'.",
    ),
    "a warm-up of too many rows": (
        "max_batch_size: 4\nwarmup:\n  - batch_size: 5\n",
        3,
        "`warmup[0].batch_size` is 5, but no batch has more than 4 rows.",
    ),
    "a parameter that is a list": (
        "parameters:\n  a: [1]\n",
        2,
        "`parameters.a` must be true or false or a whole number or a number or text; it is a list.",
    ),
    "a field for text": ("sampling: {}\n", 1, "`sampling` is for models of text; the backend 'onnx' serves: infer."),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_one_mistake_is_one_problem_with_its_line(case: str, write: Write) -> None:
    text, line, message = MISTAKES[case]
    root = write({"m/model.yaml": f"{text}backend: onnx\n", "m/1/model.onnx": ""})
    problems = read_repository(root, BACKENDS).problems
    assert [(problem.line, problem.message) for problem in problems] == [(line, message)]


@pytest.mark.parametrize("field", ["inputs: []", "max_batch_size: 4", "batching: {}", "warmup: []", "decoupled: false"])
def test_tensors_are_not_for_models_of_text(field: str, write: Write) -> None:
    (problem,) = read_repository(write({"m/model.yaml": f"backend: llama_cpp\n{field}\n", "m/1/w.gguf": ""}), BACKENDS).problems
    assert problem.line == 2
    assert problem.message == (
        f"`{field.partition(':')[0]}` is for tensor models; the backend 'llama_cpp' serves: chat, completion, embedding."
    )


def test_the_configuration_is_shown_as_kserve_shows_it(write: Write) -> None:
    model = read_one(
        write,
        {
            "m/model.yaml": TENSORS + "instances: 2\nversions: all\nparameters: {a: true}\n"
            "batching: {max_delay_ms: 1.5, preferred_sizes: [4]}\nwarmup: [{data: {x: random}}]\n",
        },
    )
    shown = json.loads(model.config_json)
    assert (shown["name"], shown["platform"], shown["backend"]) == ("m", "onnxruntime_onnx", "onnxruntime")
    assert shown["max_batch_size"] == 8
    assert [(tensor["name"], tensor["data_type"], tensor["dims"]) for tensor in shown["input"]] == [
        ("x", "TYPE_FP32", [-1, 3]),
        ("y", "TYPE_INT64", [2]),
    ]
    assert shown["output"][0]["data_type"] == "TYPE_FP32"
    assert shown["version_policy"] == {"all": {}}
    assert shown["dynamic_batching"]["max_queue_delay_microseconds"] == 1500
    assert shown["dynamic_batching"]["preferred_batch_size"] == [4]
    assert shown["instance_group"][0]["count"] == 2
    assert shown["parameters"] == {"a": {"string_value": "true"}}
    assert shown["model_warmup"][0]["inputs"]["x"]["random_data"] is True


def test_the_configuration_is_completed_by_the_loaded_model(write: Write) -> None:
    said = read_one(write, {"m/model.yaml": "backend: onnx\n"}).config_json
    tensors = [TensorSpec(name="x", datatype="BYTES", shape=[-1], optional=True)]
    shown = json.loads(completed_configuration(said, Signature(inputs=tensors, outputs=[], max_batch_size=16, decoupled=True)))
    assert [(tensor["name"], tensor["data_type"], tensor["dims"]) for tensor in shown["input"]] == [("x", "TYPE_STRING", [-1])]
    assert (shown["output"], shown["max_batch_size"], shown["platform"]) == ([], 16, "onnxruntime_onnx")
    assert shown["model_transaction_policy"] == {"decoupled": True}


def test_a_model_of_text_has_a_configuration_too(write: Write) -> None:
    model = read_repository(write({"m/model.yaml": "backend: echo\n", "m/1/": ""}), BACKENDS).models["m"]
    shown = json.loads(model.config_json)
    assert (shown["name"], shown["backend"], shown["input"]) == ("m", "echo", [])
