"""Packages that `jubako client generate` makes of a running server, used against that server; and those that are kept."""

from __future__ import annotations

import importlib
import json
import shutil
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import httpx
import numpy as np
import pytest
from jubako_client import AsyncClient, Client
from PIL import Image
from typer.testing import CliRunner, Result

from jubako.cli.main import app
from jubako.paths import shipped
from tests.serving import Server
from tests.unit.clientgen.checking import (
    NODE_TOOLS,
    ROOT,
    build_node_package,
    check_style,
    check_types,
    examples,
    install_node_client,
    run,
)

TESTED = ("adder", "async-repeater", "datatypes", "identity", "texts")
CHANGING = """\
backend: python
max_batch_size: 4
inputs: [{name: x, datatype: FP32, shape: [%s]%s}]
outputs: [{name: y, datatype: FP32, shape: [%s]}]
"""
CHANGING_CODE = """\
class Model:
    def infer(self, x=None):
        return {"y": x}
"""
PICTURES = """\
backend: python
max_batch_size: 4
inputs:
  - {name: image, datatype: UINT8, shape: [-1, -1, 3], content: image}
  - {name: file, datatype: BYTES, shape: [1], optional: true, content: image}
outputs:
  - {name: corner, datatype: UINT8, shape: [3]}
  - {name: size, datatype: INT64, shape: [2]}
"""
PICTURES_CODE = """\
import numpy as np


class Model:
    def infer(self, image, file=None):
        sizes = [[len(content), 0] for content in file.ravel()] if file is not None else [image.shape[1:3]] * len(image)
        return {"corner": image[:, 0, 0], "size": np.array(sizes)}
"""

USE = """\
import numpy as np
from jubako_client import Client
from served_models import ModelName, connect


def main(target: str) -> None:
    with Client(target) as client:
        models = connect(client, on_drift="raise")
        total: float = models.adder.infer(a=[1.0, 2.0], b=np.array([3.0, 4.0])).sum.sum().item()
        name: ModelName = "smollm2"
        text: str = models.smollm2(version=1).chat("Say hello.", max_tokens=3, temperature=0).text
        print(total, name, len(text) > 0)
"""

NODE_USE = """\
import { Client } from "@jubako/client";
import { connect } from "./index.js";

const client = new Client(process.argv[2]);
const models = await connect(client, { onDrift: "throw" });
const { sum } = await models.adder.infer({ a: { shape: [2], data: [1, 2] }, b: { shape: [2], data: Float64Array.of(3, 4) } });
const answers: number[] = [];
for await (const { running } of models.asyncRepeater.infer({
  text: { shape: [1], data: ["again"] },
  times: { shape: [1], data: [2] },
})) {
  answers.push(...running.data);
}
const picture = { width: 2, height: 1, data: Uint8ClampedArray.of(1, 2, 3, 4, 5, 6, 7, 8) };
const { corner, size } = await models.pictures.infer({ image: [picture, picture] });
const refused = await models.identity.infer({ x: { shape: [16], data: Array(16).fill(0) } }).catch((error) => error.message);
const { text } = await models.smollm2.at({ version: 1 }).chat("Say hello.", { maxTokens: 3, temperature: 0 });
const pictures = [[...corner.data], Array.from(size.data, Number)];
console.log(JSON.stringify({ sum: [...sum.data], pictures, answers, refused, spoke: text.length > 0 }));
client.close();
"""

NODE_DRIFT = """\
import { Client } from "@jubako/client";
import { connect, Drifted } from "./index.js";

const client = new Client(process.argv[2]);
const warned = new Promise<Error>((resolve) => process.once("warning", resolve));
await connect(client);
const thrown: unknown = await connect(client, { onDrift: "throw" }).catch((error: unknown) => error);
const quiet = await connect(client, { onDrift: "ignore" });
console.log(JSON.stringify({ warned: (await warned).name, thrown: thrown instanceof Drifted, said: await quiet.drift() }));
client.close();
"""


def jubako(*arguments: str | Path, status: int = 0) -> Result:
    """Runs the command, in this process because it is run so often."""
    ran = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert ran.exit_code == status, ran.output
    return ran


def write_changing(repository: Path, inputs: str = "3", outputs: str = "3", more: str = "") -> None:
    (repository / "changing" / "model.yaml").write_text(CHANGING % (inputs, more, outputs))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of models of tensors, of text, and of one that will change."""
    folder = tmp_path_factory.mktemp("served")
    repository = folder / "repository"
    for name in TESTED:
        shutil.copytree(ROOT / "tests" / "models" / name, repository / name)
    (repository / "smollm2").symlink_to(shipped("model_repository") / "smollm2")
    for name, code in (("changing", CHANGING_CODE), ("pictures", PICTURES_CODE)):
        (repository / name / "1").mkdir(parents=True)
        (repository / name / "1" / "model.py").write_text(code)
    (repository / "pictures" / "model.yaml").write_text(PICTURES)
    write_changing(repository)
    with Server(repository, folder / "server.log", {}) as running:
        yield running


@pytest.fixture(scope="module")
def package(served: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python package of the server; it can be imported as ``served_models``."""
    folder = tmp_path_factory.mktemp("package") / "made"
    jubako("client", "generate", "--url", served.url, "--lang", "python", "--out", folder, "--name", "served-models")
    sys.path.append(str(folder / "src"))
    return folder


@pytest.fixture(scope="module")
def models(package: Path) -> ModuleType:
    return importlib.import_module("served_models")


@pytest.fixture
def client(served: Server) -> Iterator[Client]:
    with Client(f"127.0.0.1:{served.grpc_port}") as client:
        yield client


def reload(served: Server) -> None:
    httpx.post(f"{served.url}/v2/repository/models/changing/load", timeout=60).raise_for_status()


@pytest.fixture
def changing(served: Server) -> Iterator[Path]:
    """The repository, in which ``changing`` is what it was again afterwards."""
    yield served.repository
    write_changing(served.repository)
    reload(served)


def test_its_use_is_typed_and_runs(package: Path, served: Server) -> None:
    check_style(package)
    (package / "src" / "use.py").write_text(USE)
    check_types(package / "src", "served_models", "use")
    script = f"from use import main; main('127.0.0.1:{served.grpc_port}')"
    path = f"{package / 'src'}:{ROOT / 'clients' / 'python' / 'src'}"
    assert run(sys.executable, "-W", "error", "-c", script, cwd=package, PYTHONPATH=path) == "10.0 smollm2 True\n"


def test_a_repository_makes_the_same_package_as_its_server(package: Path, served: Server, tmp_path: Path) -> None:
    made = tmp_path / "made"
    jubako("client", "generate", served.repository, "--lang", "python", "--out", made, "--name", "served-models")
    assert files_of(made) == {name: text for name, text in files_of(package).items() if name != "src/use.py"}


def test_every_datatype_goes_there_and_back(models: ModuleType, client: Client) -> None:
    lists: dict[str, list[object]] = {
        name: [1, 0]
        for name in ("UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "FP32", "FP64")
    }
    lists |= {"BOOL": [True, False], "BF16": [1.5, -2.0], "BYTES": [b"raw", "té"]}
    outputs = models.Models(client).datatypes.infer(**lists)
    for name, given in lists.items():
        array = getattr(outputs, name)
        assert array.tolist() == ([b"raw", "té".encode()] if name == "BYTES" else given), name
    assert (outputs.INT64.dtype, outputs.BF16.dtype, outputs.BOOL.dtype) == (np.int64, np.float32, np.bool_)


def test_optional_inputs_batches_and_streams(models: ModuleType, client: Client) -> None:
    asked = models.connect(client, on_drift="raise")
    assert asked.adder.infer(a=[1.0, 2.0]).sum.tolist() == [1.0, 2.0]
    outputs = asked.texts.infer(text=[["bread"], ["rice"]], request_id="mine")
    assert (outputs.lengths.ravel().tolist(), outputs.reversed.ravel().tolist()) == ([5, 4], [b"daerb", b"ecir"])
    answers = list(asked.async_repeater.infer(text=["again"], times=[3]))
    assert [answer.text.item() for answer in answers] == [b"again"] * 3


def test_pictures_reach_the_model(models: ModuleType, client: Client, tmp_path: Path) -> None:
    red = Image.new("RGB", (5, 2), "red")
    red.save(tmp_path / "red.png")
    asked = models.connect(client, on_drift="raise")
    signature = client.model("pictures").signature
    assert signature
    assert [(spec.name, spec.content) for spec in signature.inputs] == [("image", "image"), ("file", "image")]
    outputs = asked.pictures.infer(image=[red, tmp_path / "red.png", (tmp_path / "red.png").read_bytes()])
    assert (outputs.corner.tolist(), outputs.size.tolist()) == ([[255, 0, 0]] * 3, [[2, 5]] * 3)
    given = np.zeros((1, 1, 1, 3), np.uint8)
    assert asked.pictures.infer(image=given, file=[tmp_path / "red.png"]).size[0, 0] == (tmp_path / "red.png").stat().st_size


async def test_without_threads(models: ModuleType, served: Server) -> None:
    async with AsyncClient(f"127.0.0.1:{served.grpc_port}") as client:
        asked = await models.connect_async(client, on_drift="raise")
        assert (await asked.adder.infer(a=[1.0], b=[2.0])).sum.tolist() == [3.0]
        assert len([answer async for answer in asked.async_repeater.infer(text=["again"], times=[2])]) == 2
        assert (await asked.pictures.infer(image=[Image.new("L", (3, 1), 7)])).corner.tolist() == [[7, 7, 7]]
        assert (await asked.smollm2.chat("Say hello.", max_tokens=3)).text
        stream = await asked.smollm2.chat("Say hello.", max_tokens=3, stream=True)
        assert "".join([delta.text async for delta in stream])


@pytest.mark.skipif(not NODE_TOOLS.is_dir(), reason="Node's packages are not installed; `make install-node` does that.")
def test_in_node(served: Server, changing: Path, tmp_path: Path) -> None:
    install_node_client(tmp_path)
    folder = tmp_path / "served"
    jubako("client", "generate", "--url", served.url, "--lang", "typescript", "--out", folder)
    (folder / "src" / "use.ts").write_text(NODE_USE)
    (folder / "src" / "drift.ts").write_text(NODE_DRIFT)
    build_node_package(folder)
    target = f"127.0.0.1:{served.grpc_port}"
    told = json.loads(run("node", folder / "dist" / "use.js", target, cwd=folder))
    refused = "The input 'x' of 'identity' must have the shape [batch, 16]; [16] came."
    assert told.pop("pictures") == [[1, 2, 3, 1, 2, 3], [1, 2, 1, 2]]
    assert told == {"sum": [4, 6], "answers": [1, 1], "refused": refused, "spoke": True}
    write_changing(changing, "4", "4")
    reload(served)
    told = json.loads(run("node", "--no-warnings", folder / "dist" / "drift.js", target, cwd=folder))
    gone, new = (f"input 'x' FP32 [{size}]; output 'y' FP32 [{size}]" for size in (3, 4))
    said = [f"The model 'changing' has changed. Gone: {gone}. New: {new}."]
    assert told == {"warned": "DriftWarning", "thrown": True, "said": said}


# --- what has changed -----------------------------------------------------------------------------------------------------


def verdicts(ran: Result) -> dict[str, tuple[str, list[str]]]:
    return {each["model"]: (each["verdict"], [change["what"] for change in each["changes"]]) for each in json.loads(ran.stdout)}


def test_nothing_has_changed(package: Path, served: Server) -> None:
    for where in (["--url", served.url], [served.repository]):
        table = jubako("client", "check", package, *where).stdout
        assert table.split() == ["MODEL", "VERDICT", "CHANGES"] + [
            word for name in sorted([*TESTED, "changing", "pictures", "smollm2"]) for word in (name, "unchanged")
        ]


def test_a_change_that_breaks_is_found_and_told(
    package: Path, models: ModuleType, client: Client, served: Server, changing: Path
) -> None:
    write_changing(changing, "4", "4")
    reload(served)
    with pytest.warns(models.DriftWarning, match=r"'changing' has changed.*New: input 'x' FP32 \[4\]; output 'y' FP32 \[4\]"):
        asked = models.connect(client)
    assert asked.adder.infer(a=[1.0]).sum.tolist() == [1.0]
    with pytest.raises(models.Drifted, match=r"Gone: input 'x' FP32 \[3\]"):
        models.connect(client, on_drift="raise")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert models.connect(client, on_drift="ignore").drift() != []
    for where in (["--url", served.url], [changing]):
        found = verdicts(jubako("client", "check", package, "--json", *where, status=1))
        shapes = ["The input 'x' has the shape [4], not [3].", "The output 'y' has the shape [4], not [3]."]
        assert found["changing"] == ("breaking", shapes)
        assert found["adder"] == ("unchanged", [])


def test_a_change_that_breaks_nothing_is_told_apart(package: Path, served: Server, changing: Path) -> None:
    write_changing(changing, "-1", more=", optional: true")
    (changing / "new" / "1").mkdir(parents=True)
    (changing / "new" / "model.yaml").write_text("backend: echo\n")
    reload(served)
    try:
        found = verdicts(jubako("client", "check", package, changing, "--json"))
    finally:
        shutil.rmtree(changing / "new")
    assert found["changing"] == ("compatible", ["The input 'x' has the shape [-1], not [3].", "The input 'x' is optional now."])
    assert found["new"] == ("compatible", ["The model is new."])


def test_a_model_that_is_gone_breaks_and_one_that_is_not_loaded_does_not(package: Path, served: Server, tmp_path: Path) -> None:
    httpx.post(f"{served.url}/v2/repository/models/texts/unload", timeout=60).raise_for_status()
    try:
        assert verdicts(jubako("client", "check", package, "--url", served.url, "--json"))["texts"][0] == "unknown"
        assert "'texts'" in complaint(
            "client", "generate", "--url", served.url, "--lang", "python", "--model", "texts", "--out", tmp_path
        )
    finally:
        httpx.post(f"{served.url}/v2/repository/models/texts/load", timeout=60).raise_for_status()
    (tmp_path / "repository").mkdir()
    shutil.copytree(served.repository / "adder", tmp_path / "repository" / "adder")
    found = verdicts(jubako("client", "check", package, tmp_path / "repository", "--json", status=1))
    assert found["adder"] == ("unchanged", [])
    assert found["smollm2"] == ("breaking", ["The model is gone."])


# --- what the commands refuse ---------------------------------------------------------------------------------------------


def complaint(*arguments: str | Path, status: int = 1) -> str:
    """What the command says when it fails."""
    return jubako(*arguments, status=status).stderr


def test_what_can_not_be_done_is_said(tmp_path: Path, served: Server) -> None:
    out: list[str | Path] = ["--out", tmp_path / "made"]
    python: list[str | Path] = ["client", "generate", "--lang", "python", *out]
    assert "it must be 'python' or 'typescript'" in complaint("client", "generate", "--lang", "go", *out, status=2)
    assert "not both" in complaint(*python, tmp_path, "--url", served.url, status=2)
    assert "No server answers at http://127.0.0.1:1" in complaint(*python, "--url", "http://127.0.0.1:1")
    assert "should look like http://" in complaint(*python, "--url", "127.0.0.1:50051")
    assert "There is no model repository" in complaint(*python, tmp_path / "none")
    assert "Did you mean `adder`?" in complaint(*python, "--url", served.url, "--model", "addr")
    assert "did not make it" in complaint("client", "generate", served.repository, "--lang", "python", "--out", served.repository)
    assert "no package" in complaint("client", "check", tmp_path, status=2)
    assert not (tmp_path / "made").exists()


# --- the packages of the example models -----------------------------------------------------------------------------------


def files_of(folder: Path) -> dict[str, str]:
    left_out = {".mypy_cache", ".ruff_cache", "__pycache__", "node_modules", "dist"}
    files = (file for file in folder.rglob("*") if file.is_file() and not left_out & set(file.relative_to(folder).parts))
    return {str(file.relative_to(folder)): file.read_text() for file in files}


@pytest.mark.parametrize("language", ["python", "typescript"])
def test_the_packages_that_are_kept_are_those_of_the_example_models(language: str, tmp_path: Path) -> None:
    jubako("client", "generate", shipped("model_repository"), "--lang", language, "--out", tmp_path / "made")
    kept = ROOT / "clients" / "generated" / language
    assert files_of(tmp_path / "made") == files_of(kept), (
        f"jubako client generate model_repository --lang {language} --out {kept}"
    )


def test_the_python_package_that_is_kept_is_typed(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "clients" / "generated" / "python" / "src", tmp_path / "src")
    (tmp_path / "src" / "readme.py").write_text(examples(ROOT / "clients" / "generated" / "python" / "README.md"))
    check_types(tmp_path / "src", "jubako_models", "readme")
