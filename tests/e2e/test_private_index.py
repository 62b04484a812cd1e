"""Packages from an index behind a password: installed, and no trace of where they came from is left."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.conftest import Pushed, build_and_push
from tests.e2e.layers import unpack
from tests.e2e.machine import Machine
from tests.e2e.private_index import MODULE, PACKAGE, VERSION, PrivateIndex
from tests.registry import Registry

MODEL_YAML = f"""\
backend: python
environment:
  packages: ["{PACKAGE}=={VERSION}"]
inputs: [{{name: x, datatype: INT64, shape: [1]}}]
outputs: [{{name: y, datatype: INT64, shape: [1]}}]
"""
MODEL_CODE = f"""\
from {MODULE} import MARK


class Model:
    def infer(self, x):
        return {{"y": x + MARK}}
"""


def write_repository(root: Path) -> Path:
    """With one model, `marked`, which adds the package's number to `x`."""
    (root / "marked" / "1").mkdir(parents=True)
    (root / "marked" / "model.yaml").write_text(MODEL_YAML)
    (root / "marked" / "1" / "model.py").write_text(MODEL_CODE)
    return root


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_repository(tmp_path_factory.mktemp("private") / "repository")


def test_the_package_is_there_and_the_password_is_not(
    repository: Path, builder: Machine, registry: Registry, tmp_path: Path
) -> None:
    with PrivateIndex() as index:
        settings = {"PIP_INDEX_URL": index.url, "UV_INDEX_URL": index.url}
        name = f"{registry.address}/bento/marked:1"
        pushed: Pushed = build_and_push(builder, name, model="marked", repository=repository, step="private: ", **settings)
        assert index.taken > 0
        traces = index.traces
    assert (
        builder.run("podman", "run", "--rm", "--entrypoint=python", name, "-c", f"import {MODULE}; print({MODULE}.MARK)") == "42"
    )
    assert unpack(builder, pushed.reference, tmp_path / "layers").mentions(*traces) == []
    bento = Path(builder.environment["BENTOML_HOME"]) / "bentos" / Path(pushed.tag.replace(":", "/"))
    lock = [path for path in bento.rglob("*") if path.is_file() and PACKAGE.encode() in path.read_bytes()]
    assert lock, "the bento names the package"
    for path in bento.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not [trace for trace in traces if trace.encode() in content], path
