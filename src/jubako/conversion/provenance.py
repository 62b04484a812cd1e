"""Where a folder that was made comes from: the file ``provenance.json`` in it."""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import Struct

from jubako.repository.cache import StoredFile

PROVENANCE_FILE = "provenance.json"


class Provenance(Struct, frozen=True, kw_only=True):
    """What was made of what, and with what. The same work on another day says the same: there is no date in it.

    Attributes:
        converter: Version of the program; it grows when the same file would become another folder.
        source: Where the GGUF file came from, as its entry said.
        file: The GGUF file's name.
        sha256: Its digest.
        dtype: The type of the numbers in the folder.
        architecture: Name of the model's class in transformers.
        parameters: How many numbers the model has.
        versions: Of jubako, Python and the packages that did it.
        files: All other files of the folder, with their digests and sizes.
    """

    made_by: str
    converter: int
    source: str
    file: str
    sha256: str
    dtype: str
    architecture: str
    parameters: int
    versions: dict[str, str]
    files: list[StoredFile]


def is_whole(folder: Path) -> bool:
    """Whether `folder` has its provenance, and all files that this names, of the right size."""
    try:
        provenance = msgspec.json.decode((folder / PROVENANCE_FILE).read_bytes(), type=Provenance)
        return all((folder / file.path).stat().st_size == file.size for file in provenance.files)
    except (OSError, msgspec.MsgspecError):
        return False
