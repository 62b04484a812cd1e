"""ONNX models in this process: what their files say, what they compute, and what is said of mistakes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from jubako.backends.onnx.engine import OnnxEngine
from jubako.errors import ConfigurationError, InvalidRequest
from jubako.tensors import Array, Signature
from tests.unit.engines.onnx_models import identity, save, sum_and_difference, value
from tests.unit.engines.specs import assert_near, read_only, run, spec_of, tensor


def load(weights: Path, **entry: object) -> tuple[OnnxEngine, Signature]:
    engine = OnnxEngine(spec_of(weights, **entry))  # type: ignore[arg-type]
    return engine, engine.load()


# --- the signature --------------------------------------------------------------------------------------------------------


def test_the_file_says_the_whole_signature(tmp_path: Path) -> None:
    _, signature = load(sum_and_difference(tmp_path / "model.onnx"))
    assert signature == Signature(
        inputs=[tensor("a", "FP32", 3), tensor("b", "FP32", 3)],
        outputs=[tensor("sum", "FP32", 3), tensor("difference", "FP32", 3)],
        max_batch_size=32,
        platform="onnxruntime_onnx",
    )


def test_a_fixed_first_dimension_is_no_batch_dimension(tmp_path: Path) -> None:
    _, signature = load(identity(tmp_path / "model.onnx", [1, "length"]))
    assert (signature.max_batch_size, signature.inputs) == (0, [tensor("x", "FP32", 1, -1)])


def test_whole_shapes_in_the_entry_mean_no_batch_dimension(tmp_path: Path) -> None:
    file = identity(tmp_path / "model.onnx", ["n", 4])
    assert load(file, inputs=[tensor("x", "FP32", -1, 4)])[1].max_batch_size == 0
    assert load(file, inputs=[tensor("x", "FP32", 4)])[1].max_batch_size == 32
    assert load(file, max_batch_size=0)[1].inputs == [tensor("x", "FP32", -1, 4)]


def test_the_entry_adds_labels_and_fixes_free_dimensions(tmp_path: Path) -> None:
    file = identity(tmp_path / "model.onnx", ["n", "length"])
    _, signature = load(file, max_batch_size=8, outputs=[tensor("y", "FP32", 2, labels=["cat", "dog"])])
    assert signature.outputs == [tensor("y", "FP32", 2, labels=["cat", "dog"])]
    assert (signature.inputs, signature.max_batch_size) == ([tensor("x", "FP32", -1)], 8)


def test_only_the_outputs_that_the_entry_names_are_served(tmp_path: Path) -> None:
    engine, signature = load(sum_and_difference(tmp_path / "model.onnx"), outputs=[tensor("difference", "FP32", 3)])
    assert [output.name for output in signature.outputs] == ["difference"]
    ones = np.ones((1, 3), dtype=np.float32)
    assert list(run(engine, {"a": ones, "b": ones}, "difference")) == ["difference"]


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"inputs": [tensor("aa", "FP32", 3)]}, "no input 'aa'. Did you mean `a`? It has: a FP32 [-1, 3], b FP32 [-1, 3]."),
        ({"outputs": [tensor("sun", "FP32", 3)]}, "no output 'sun'. Did you mean `sum`?"),
        ({"inputs": [tensor("a", "FP64", 3)]}, "the input 'a' has the datatype FP64; in the model's file it is FP32"),
        ({"inputs": [tensor("a", "FP32", 4)]}, "the shape [4]; in the model's file it is [3] after the batch dimension"),
        ({"inputs": [tensor("a", "FP32", -1)]}, "the shape [-1]; in the model's file it is [3] after the batch dimension"),
        ({"max_batch_size": 0, "inputs": [tensor("a", "FP32", 3)]}, "the shape [3]; in the model's file it is [-1, 3]"),
    ],
)
def test_an_entry_that_contradicts_the_file_is_refused(tmp_path: Path, entry: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load(sum_and_difference(tmp_path / "model.onnx"), **entry)
    assert says in refused.value.message


def test_batches_of_a_model_for_single_rows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="max_batch_size 8, but the first dimension of 'x' is fixed"):
        load(identity(tmp_path / "model.onnx", [1, 3]), max_batch_size=8)


def test_where_the_file_leaves_out_a_shape_the_entry_is_believed(tmp_path: Path) -> None:
    file = identity(tmp_path / "model.onnx", None)
    entry = {"inputs": [tensor("x", "FP32", 5)], "outputs": [tensor("y", "FP32", 5)], "max_batch_size": 4}
    assert load(file, **entry)[1].inputs == [tensor("x", "FP32", 5)]


def test_an_output_that_is_no_tensor_is_left_out(tmp_path: Path) -> None:
    nodes = [helper.make_node("Identity", ["x"], ["y"]), helper.make_node("SequenceConstruct", ["x"], ["z"])]
    sequence = helper.make_tensor_sequence_value_info("z", TensorProto.FLOAT, ["n", 2])
    outputs = [value("y", TensorProto.FLOAT, ["n", 2]), sequence]
    _, signature = load(save(tmp_path / "model.onnx", nodes, [value("x", TensorProto.FLOAT, ["n", 2])], outputs))
    assert signature.outputs == [tensor("y", "FP32", 2)]


# --- computing ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "array"),
    [
        (TensorProto.BOOL, np.array([[True, False]])),
        (TensorProto.UINT16, np.array([[1, 65535]], dtype=np.uint16)),
        (TensorProto.INT64, np.array([[-1, 2**40]], dtype=np.int64)),
        (TensorProto.FLOAT16, np.array([[0.5, -2]], dtype=np.float16)),
        (TensorProto.DOUBLE, np.array([[1e300, -1]], dtype=np.float64)),
        (TensorProto.BFLOAT16, np.array([[1.5, -2]], dtype=np.float32)),
    ],
)
def test_every_kind_of_number_goes_in_and_comes_out(tmp_path: Path, kind: int, array: Array) -> None:
    file = tmp_path / "model.onnx"
    if kind == TensorProto.BFLOAT16:  # onnxruntime's Identity has no BF16
        nodes = [helper.make_node("Cast", ["x"], ["wide"], to=1), helper.make_node("Cast", ["wide"], ["y"], to=kind)]
        save(file, nodes, [value("x", kind, ["n", 2])], [value("y", kind, ["n", 2])])
    else:
        identity(file, ["n", 2], kind)
    engine, _ = load(file)
    given = run(engine, {"x": read_only(array)}, "y")["y"]
    assert (given.dtype, given.tolist()) == (array.dtype, array.tolist())


def test_text_goes_in_and_comes_out(tmp_path: Path) -> None:
    engine, signature = load(identity(tmp_path / "model.onnx", ["n"], TensorProto.STRING))
    assert signature.inputs[0].datatype == "BYTES"
    given = run(engine, {"x": np.array(["déjà".encode(), b""], dtype=object)}, "y")["y"]
    assert given.tolist() == ["déjà", ""]
    with pytest.raises(InvalidRequest, match="An element of the input 'x' is not UTF-8"):
        run(engine, {"x": np.array([b"\xff"], dtype=object)}, "y")


def test_weights_beside_the_file_are_found(tmp_path: Path) -> None:
    weights = np.arange(600, dtype=np.float32).reshape(3, 200)
    initializer = onnx.numpy_helper.from_array(weights, "w")
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    file = save(
        tmp_path / "model.onnx",
        nodes,
        [value("x", TensorProto.FLOAT, ["n", 3])],
        [value("y", TensorProto.FLOAT, ["n", 200])],
        [initializer],
    )
    onnx.save(onnx.load(file), str(file), save_as_external_data=True, location="weights.bin", size_threshold=0)
    assert (tmp_path / "weights.bin").stat().st_size >= weights.nbytes
    engine, _ = load(tmp_path)
    rows = np.ones((2, 3), dtype=np.float32)
    assert_near(run(engine, {"x": rows}, "y")["y"], rows @ weights)


def test_inputs_that_do_not_fit_each_other_are_the_callers_fault(tmp_path: Path) -> None:
    nodes = [helper.make_node("Gather", ["x", "i"], ["y"])]
    inputs = [value("x", TensorProto.FLOAT, ["n"]), value("i", TensorProto.INT64, ["m"])]
    engine, _ = load(save(tmp_path / "model.onnx", nodes, inputs, [value("y", TensorProto.FLOAT, ["m"])]))
    with pytest.raises(InvalidRequest, match=r"can't compute these inputs: .*indices element out of data bounds"):
        run(engine, {"x": np.ones(2, dtype=np.float32), "i": np.array([7])}, "y")


# --- the engine's parameters ----------------------------------------------------------------------------------------------


def test_parameters_reach_onnxruntime(tmp_path: Path) -> None:
    engine = {
        "providers": ["cpu"],
        "provider_options": {"cpu": {"arena_extend_strategy": "kSameAsRequested"}},
        "intra_op_threads": 1,
        "execution_mode": "parallel",
        "graph_optimization": "none",
        "session_config": {"session.intra_op.allow_spinning": "0"},
    }
    loaded, _ = load(identity(tmp_path / "model.onnx", ["n", 2]), engine=engine)
    assert run(loaded, {"x": np.ones((1, 2), dtype=np.float32)}, "y")["y"].tolist() == [[1, 1]]


def test_a_provider_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"has no provider 'tpu'\. Did you mean `cpu`\?"):
        load(identity(tmp_path / "model.onnx", ["n", 2]), engine={"providers": ["tpu"]})


# --- files ----------------------------------------------------------------------------------------------------------------


def test_a_folder_may_have_one_model_of_any_name(tmp_path: Path) -> None:
    identity(tmp_path / "mine.onnx", ["n", 2])
    load(tmp_path)
    identity(tmp_path / "other.onnx", ["n", 2])
    with pytest.raises(ConfigurationError, match=r"several models in .*: mine.onnx, other.onnx. Call one of them model.onnx"):
        load(tmp_path)
    identity(tmp_path / "model.onnx", ["n", 2])
    load(tmp_path)


def test_what_is_no_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"There is no model.onnx or model.ort in"):
        load(tmp_path)
    broken = tmp_path / "model.onnx"
    broken.write_bytes(b"not a model")
    with pytest.raises(ConfigurationError, match=r"onnxruntime \S+ can't load .*model.onnx: "):
        load(broken)
