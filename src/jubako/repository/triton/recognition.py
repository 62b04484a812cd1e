"""Which backend a folder is for, by the file that its versions hold."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from jubako.repository.triton.fields import BACKENDS, FOREIGN_FILES, MODEL_FILES
from jubako.repository.versions import version_numbers

_PYTHON_CLASS = b"TritonPythonModel"


@dataclass(frozen=True)
class Recognised:
    """`backend` is ours, "" if there is none; then `why` says it in a sentence, unless nothing at all is there to be known."""

    backend: str = ""
    why: str = ""


def recognise(folder: Path, file_name: str = "") -> Recognised:
    """The backend of the entry in `folder`.

    Args:
        file_name: What the model's file is called, if the entry says so.
    """
    for number in version_numbers(folder):
        version = folder / str(number)
        for backend, name in MODEL_FILES.items():
            if (version / name).exists() or (file_name and Path(file_name).suffix == Path(name).suffix):
                return _python(version / (file_name or name)) if backend == "triton_python" else Recognised(backend)
        for name, engine in FOREIGN_FILES.items():
            if (version / name).exists():
                return Recognised(
                    why=f"{folder.name}/{number}/{name} is a model of {engine}, which does not run here. {convert()}"
                )
    return Recognised()


def convert() -> str:
    return f"Export it to ONNX or TorchScript; of Triton's backends there are {', '.join(BACKENDS)}."


def _python(file: Path) -> Recognised:
    try:
        if file.is_file() and _PYTHON_CLASS in file.read_bytes():
            return Recognised("triton_python")
    except OSError:
        pass
    why = f"{file.parent.parent.name}/{file.parent.name}/{file.name} has no class TritonPythonModel, so it is no model by itself."
    return Recognised(why=f"{why} If it is one of jubako's own kind, write a model.yaml with `backend: python`.")
