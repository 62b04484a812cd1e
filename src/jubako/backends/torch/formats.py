"""What kind of file a PyTorch model is in, by its content: suffixes are used for several."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Final, Literal

from jubako.errors import ConfigurationError

Format = Literal["torchscript", "exported", "safetensors", "pickled"]

SUFFIXES: Final = (".pt2", ".pt", ".safetensors", ".pth", ".bin")
"""Of files that PyTorch models are in, the preferred one first."""


def format_of(file: Path) -> Format:
    """What `file` is; ``pickled`` is whatever ``torch.save`` wrote, weights or a whole module.

    Raises:
        ConfigurationError: it is none of them.
    """
    if file.suffix == ".safetensors":
        return "safetensors"
    if not zipfile.is_zipfile(file):
        raise ConfigurationError(
            f"{file} is no file of PyTorch: neither TorchScript (torch.jit.save), nor an exported program (torch.export.save), "
            "nor safetensors, nor weights (torch.save). Save the model again with one of these."
        )
    with zipfile.ZipFile(file) as archive:
        # Everything lies in one folder, named after the file as it was saved.
        names = {name.partition("/")[2] for name in archive.namelist()} | set(archive.namelist())
    if "archive_format" in names or "serialized_exported_program.json" in names:
        return "exported"
    return "torchscript" if "constants.pkl" in names else "pickled"
