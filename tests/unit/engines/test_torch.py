"""PyTorch models in this process: every kind of file, what it must say of itself, and what is refused."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from jubako.backends.torch.engine import TorchEngine
from jubako.errors import ConfigurationError, InternalError
from jubako.tensors import Signature
from tests.unit.engines.specs import assert_near, floats, read_only, run, spec_of, tensor

ROWS = np.random.default_rng(7).random((3, 4)).astype(np.float32)
ENTRY = {"inputs": [tensor("INPUT__0", "FP32", 4)], "outputs": [tensor("OUTPUT__0", "FP32", 2)], "max_batch_size": 8}


class Small(torch.nn.Module):  # type: ignore[misc]  # its types are not read
    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(4, 2)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.linear(rows))


class Several(torch.nn.Module):  # type: ignore[misc]  # its types are not read
    """Takes one tensor away from another; gives the result by name, or as the second of two."""

    def __init__(self, *, named: bool = False) -> None:
        super().__init__()
        self.named = named

    def forward(self, minuend: torch.Tensor, subtrahend: torch.Tensor) -> object:
        difference = minuend - subtrahend
        return {"sum": minuend + subtrahend, "difference": difference} if self.named else (minuend, difference)


class InPlace(torch.nn.Module):  # type: ignore[misc]  # its types are not read
    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return rows.add_(1)


def scripted(module: torch.nn.Module, file: Path, *examples: torch.Tensor) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        made = torch.jit.trace(module, examples, strict=False) if examples else torch.jit.script(module)
        torch.jit.save(made, file)
    return file


def exported(module: torch.nn.Module, file: Path, *examples: torch.Tensor, rows: torch.export.Dim | None = None) -> Path:
    shapes = tuple({0: rows} for _ in examples) if rows is not None else None
    torch.export.save(torch.export.export(module, examples, dynamic_shapes=shapes), file)
    return file


def load(weights: Path, **entry: object) -> tuple[TorchEngine, Signature]:
    engine = TorchEngine(spec_of(weights, **entry))  # type: ignore[arg-type]
    return engine, engine.load()


def expected(module: Small) -> list[list[float]]:
    with torch.inference_mode():
        values: list[list[float]] = module(torch.from_numpy(ROWS)).tolist()
    return values


# --- TorchScript ----------------------------------------------------------------------------------------------------------


def test_torchscript_takes_its_signature_from_the_entry(tmp_path: Path) -> None:
    module = Small()
    engine, signature = load(scripted(module, tmp_path / "model.pt"), **ENTRY)
    assert signature == Signature(
        inputs=[tensor("INPUT__0", "FP32", 4)],
        outputs=[tensor("OUTPUT__0", "FP32", 2)],
        max_batch_size=8,
        platform="pytorch_libtorch",
    )
    assert_near(run(engine, {"INPUT__0": read_only(ROWS)}, "OUTPUT__0")["OUTPUT__0"], expected(module))


def test_torchscript_without_a_signature_is_refused_with_its_arguments(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"model.pt is TorchScript.* Its arguments are: rows. Write `inputs` and"):
        load(scripted(Small(), tmp_path / "model.pt"))


@pytest.mark.parametrize(
    ("first", "second"),
    [("INPUT__0", "INPUT__1"), ("minuend", "subtrahend"), ("a", "b")],
    ids=["Triton's convention", "names of arguments", "order"],
)
def test_inputs_find_their_arguments(tmp_path: Path, first: str, second: str) -> None:
    file = scripted(Several(), tmp_path / "model.pt", torch.zeros(1), torch.zeros(1))
    # Listed the other way round where the names alone must say it.
    listed = [first, second] if first == "a" else [second, first]
    engine, _ = load(file, inputs=[tensor(name, "FP32", -1) for name in listed], outputs=[tensor("OUTPUT__1", "FP32", -1)])
    five, two = floats(5), floats(2)
    assert run(engine, {first: five, second: two}, "OUTPUT__1")["OUTPUT__1"].tolist() == [3]


def test_outputs_are_found_by_the_keys_of_a_dictionary(tmp_path: Path) -> None:
    file = scripted(Several(named=True), tmp_path / "model.pt", torch.zeros(1), torch.zeros(1))
    inputs = [tensor(name, "FP32", -1) for name in ("minuend", "subtrahend")]
    engine, _ = load(file, inputs=inputs, outputs=[tensor("difference", "FP32", -1)])
    given = {"minuend": floats(5), "subtrahend": floats(2)}
    assert run(engine, given, "difference")["difference"].tolist() == [3]
    engine, _ = load(file, inputs=inputs, outputs=[tensor("quotient", "FP32", -1)])
    with pytest.raises(InternalError, match=r"gives 'sum', 'difference', and not 'quotient', as model.yaml says"):
        run(engine, given, "quotient")


def test_a_model_that_computes_in_place_leaves_its_input_alone(tmp_path: Path) -> None:
    engine, _ = load(
        scripted(InPlace(), tmp_path / "model.pt"), inputs=[tensor("rows", "FP32", 4)], outputs=[tensor("y", "FP32", 4)]
    )
    rows = read_only(ROWS)
    assert run(engine, {"rows": rows}, "y")["y"].tolist() == (ROWS + 1).tolist()
    assert rows.tolist() == ROWS.tolist()


# --- exported programs ----------------------------------------------------------------------------------------------------


def test_an_exported_program_says_the_whole_signature(tmp_path: Path) -> None:
    module = Small().eval()
    file = exported(module, tmp_path / "model.pt2", torch.zeros(2, 4), rows=torch.export.Dim("rows", min=1, max=16))
    engine, signature = load(file)
    assert signature == Signature(
        inputs=[tensor("rows", "FP32", 4)],
        outputs=[tensor("OUTPUT__0", "FP32", 2)],
        max_batch_size=16,
        platform="pytorch_libtorch",
    )
    for count in (1, 3):
        given = run(engine, {"rows": read_only(ROWS[:count])}, "OUTPUT__0")["OUTPUT__0"]
        assert_near(given, expected(module)[:count])
    with pytest.raises(ConfigurationError, match="max_batch_size 17, but the model's file allows at most 16 rows"):
        load(file, max_batch_size=17)
    assert load(file, **ENTRY)[1].inputs[0].name == "INPUT__0"


def test_an_exported_program_of_fixed_shapes_has_no_batches(tmp_path: Path) -> None:
    _, signature = load(exported(Several(named=True), tmp_path / "model.pt2", torch.zeros(3), torch.zeros(3)))
    assert signature.max_batch_size == 0
    assert signature.inputs == [tensor("minuend", "FP32", 3), tensor("subtrahend", "FP32", 3)]
    assert signature.outputs == [tensor("sum", "FP32", 3), tensor("difference", "FP32", 3)]


# --- weights and code -----------------------------------------------------------------------------------------------------

FACTORY = """
import torch

def make(features):
    return torch.nn.Linear(4, features)
"""


@pytest.fixture
def entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An entry whose version folder has the code of a factory. The module is called after the test, as each is its own here."""
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / f"architecture_{tmp_path.name}.py").write_text(FACTORY)
    monkeypatch.syspath_prepend(str(tmp_path))  # what the engine adds goes with it
    return tmp_path


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_weights_fill_the_module_that_a_factory_makes(entry: Path, suffix: str) -> None:
    module, file = torch.nn.Linear(4, 2), entry / "1" / f"model{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(module.state_dict(), file)
    engine = {"factory": f"architecture_{entry.name}:make", "factory_args": {"features": 2}}
    loaded, _ = load(file, folder=entry, engine=engine, **ENTRY)
    given = run(loaded, {"INPUT__0": read_only(ROWS)}, "OUTPUT__0")["OUTPUT__0"]
    assert_near(given, module(torch.from_numpy(ROWS)).detach().numpy())


def test_weights_of_another_module_are_refused(entry: Path) -> None:
    file = entry / "1" / "model.safetensors"
    save_file({"weight": torch.zeros(3, 4), "bios": torch.zeros(2)}, file)
    engine = {"factory": f"architecture_{entry.name}:make", "factory_args": {"features": 2}}
    with pytest.raises(ConfigurationError) as refused:
        load(file, folder=entry, engine=engine, **ENTRY)
    assert "Missing: bias. Unknown: bios. Shapes: weight is [3, 4] and should be [2, 4]." in refused.value.message


@pytest.mark.parametrize(
    ("engine", "says"),
    [
        ({}, "holds only weights. Write `factory: module:function`"),
        ({"factory": "nowhere:make"}, "'nowhere:make' can't be imported: No module named 'nowhere'"),
        ({"factory": "architecture:build"}, "has no function 'build'"),
        ({"factory": "architecture:make"}, "can't be called with {}: make() missing 1 required positional argument"),
    ],
)
def test_a_factory_that_is_wrong_is_told(entry: Path, engine: dict[str, str], says: str) -> None:
    file = entry / "1" / "model.safetensors"
    save_file(torch.nn.Linear(4, 2).state_dict(), file)
    own = {name: value.replace("architecture", f"architecture_{entry.name}") for name, value in engine.items()}
    with pytest.raises(ConfigurationError) as refused:
        load(file, folder=entry, engine=own, **ENTRY)
    assert says in refused.value.message


def test_a_pickled_module_is_read_only_if_the_entry_says_so(tmp_path: Path) -> None:
    module, file = Small(), tmp_path / "model.pt"
    torch.save(module, file)
    with pytest.raises(ConfigurationError, match=r"loading it can run any code.*`allow_pickle: true`"):
        load(file, **ENTRY)
    engine, _ = load(file, engine={"allow_pickle": True}, **ENTRY)
    assert_near(run(engine, {"INPUT__0": ROWS}, "OUTPUT__0")["OUTPUT__0"], expected(module))
    with pytest.raises(ConfigurationError, match="holds more than weights, and reading that could run any code"):
        load(file, engine={"factory": "torch.nn:Identity"}, **ENTRY)


# --- numbers --------------------------------------------------------------------------------------------------------------


def test_bf16_is_computed_as_such(tmp_path: Path) -> None:
    file = scripted(torch.nn.Identity(), tmp_path / "model.pt")
    engine, _ = load(file, inputs=[tensor("input", "BF16", -1)], outputs=[tensor("y", "BF16", -1)])
    given = run(engine, {"input": floats(1.5, 1.001)}, "y")["y"]
    assert (given.dtype, given.tolist()) == (np.dtype(np.float32), [1.5, 1.0])


def test_a_model_may_compute_in_another_precision_than_it_is_asked_in(tmp_path: Path) -> None:
    module = Small()
    engine, _ = load(scripted(module, tmp_path / "model.pt"), engine={"dtype": "bfloat16"}, **ENTRY)
    given = run(engine, {"INPUT__0": ROWS}, "OUTPUT__0")["OUTPUT__0"]
    assert given.dtype == np.float32
    assert_near(given, expected(module), 0.05)


def test_an_output_of_another_datatype_than_the_entry_says_is_told(tmp_path: Path) -> None:
    engine, _ = load(
        scripted(Small(), tmp_path / "model.pt"),
        inputs=[tensor("rows", "FP32", -1, 4)],
        outputs=[tensor("y", "INT64", -1, 2)],
    )
    with pytest.raises(InternalError, match=r"gives 'y' as FP32, and model.yaml says INT64. Write FP32 there."):
        run(engine, {"rows": ROWS}, "y")


# --- mistakes -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"engine": {"device": "toaster"}}, "PyTorch knows no device 'toaster'"),
        ({"engine": {"factory": "a:b"}}, "has its code with it: remove `factory` from `engine`"),
        ({"inputs": [tensor("x", "BYTES", 4)]}, "'x' has the datatype BYTES, which PyTorch does not have"),
        ({"inputs": [tensor("INPUT__1", "FP32", 4)]}, "must count from 0 without gaps"),
        (
            {"inputs": [tensor("a", "FP32", 4), tensor("b", "FP32", 4)]},
            "names 2 inputs (a, b), but the module takes only 1 (rows)",
        ),
    ],
)
def test_entries_that_are_wrong_are_told(tmp_path: Path, entry: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load(scripted(Small(), tmp_path / "model.pt"), **{**ENTRY, **entry})
    assert says in refused.value.message


def test_what_is_no_model_is_told(tmp_path: Path) -> None:
    file = tmp_path / "model.pt"
    file.write_bytes(b"not a model")
    with pytest.raises(ConfigurationError, match=r"model.pt is no file of PyTorch: neither TorchScript"):
        load(file, **ENTRY)


def test_a_model_that_fails_says_why(tmp_path: Path) -> None:
    engine, _ = load(scripted(Small(), tmp_path / "model.pt"), **ENTRY)
    with pytest.raises(InternalError, match=r"could not be computed: .*mat1 and mat2 shapes cannot be multiplied"):
        run(engine, {"INPUT__0": ROWS[:, :3]}, "OUTPUT__0")
