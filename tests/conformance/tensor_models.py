"""A repository of tensor models for the official clients: they give back what they get, each in its own way."""

from __future__ import annotations

from pathlib import Path

from jubako.tensors import DATATYPES

IDENTITY = """\
backend: python
max_batch_size: 8
versions: all
inputs: [{name: INPUT0, datatype: FP32, shape: [-1]}]
outputs: [{name: OUTPUT0, datatype: FP32, shape: [-1], labels: [cat, dog, bird]}]
"""

# Version 2 doubles, so that a test sees which one answered.
IDENTITY_CODE = """\
class Model:
    def infer(self, INPUT0):
        return {"OUTPUT0": INPUT0 * %d}
"""

TYPES_CODE = """\
class Model:
    def infer(self, **inputs):
        return {"OUT_" + name.removeprefix("IN_"): array for name, array in inputs.items()}
"""

SLOW = """\
backend: python
inputs: [{name: SECONDS, datatype: FP32, shape: [1]}]
outputs: [{name: SECONDS, datatype: FP32, shape: [1]}]
"""

SLOW_CODE = """\
import time


class Model:
    def infer(self, SECONDS):
        time.sleep(float(SECONDS[0]))
        return {"SECONDS": SECONDS}
"""

REPEAT = """\
backend: python
decoupled: true
inputs: [{name: IN, datatype: INT32, shape: [-1]}]
outputs: [{name: OUT, datatype: INT32, shape: [1]}]
"""

# As many answers as there are elements.
REPEAT_CODE = """\
class Model:
    def infer(self, IN):
        for element in IN:
            yield {"OUT": element.reshape(1)}
"""


def write_repository(root: Path) -> Path:
    """Write the models below `root`: identity (versions 1 and 2), types (every datatype), slow, repeat (decoupled), and of text,
    echo."""
    _write(root / "identity", IDENTITY, IDENTITY_CODE % 1)
    (root / "identity" / "2").mkdir()
    (root / "identity" / "2" / "model.py").write_text(IDENTITY_CODE % 2)
    _write(root / "types", _types(), TYPES_CODE)
    _write(root / "slow", SLOW, SLOW_CODE)
    _write(root / "repeat", REPEAT, REPEAT_CODE)
    _write(root / "echo", "backend: echo\nserved_names: [Org/Echo-1B]\n", None)
    return root


def _types() -> str:
    lines = ["backend: python", "inputs:"]
    lines += [f"  - {{name: IN_{datatype}, datatype: {datatype}, shape: [-1]}}" for datatype in DATATYPES]
    lines += ["outputs:"]
    lines += [f"  - {{name: OUT_{datatype}, datatype: {datatype}, shape: [-1]}}" for datatype in DATATYPES]
    return "\n".join(lines) + "\n"


def _write(folder: Path, entry: str, code: str | None) -> None:
    (folder / "1").mkdir(parents=True)
    (folder / "model.yaml").write_text(entry)
    if code is not None:
        (folder / "1" / "model.py").write_text(code)
