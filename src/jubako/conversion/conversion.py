"""One conversion: what is converted to what, and the folder that it makes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

import jubako
from jubako.conversion.program import Converted, Watch, run_program
from jubako.conversion.provenance import PROVENANCE_FILE, Provenance
from jubako.errors import ConfigurationError
from jubako.repository.cache import Cache, StoredFile, digest_file
from jubako.repository.progress import Progress, Silent

VERSION = 1
"""Of :mod:`jubako.conversion.gguf_to_hf`: grows when the same file would become another folder."""

DTYPES = ("bfloat16", "float16", "float32")

_OTHER_NAMES = {"half": "float16", "float": "float32"}
_CONFIG_FILE = "config.json"


class Conversion(Struct, frozen=True, kw_only=True):
    """A GGUF file that becomes a folder.

    Attributes:
        source: Where the file comes from, as its entry says.
        sha256: The file's digest.
        dtype: The type of the numbers in the folder, one of `DTYPES`.
    """

    file: Path
    source: str
    sha256: str
    dtype: str

    @classmethod
    def of(cls, weights: Path, source: str, dtype: str, cache: Cache, progress: Progress) -> Conversion | None:
        """What is to be done with `weights`; None if they are a Hugging Face folder already.

        Raises:
            ConfigurationError: they are neither that nor a GGUF file.
        """
        if (weights / _CONFIG_FILE).is_file():
            return None
        file = _gguf_file(weights)
        return cls(file=file, source=source, sha256=cache.digest_of(file, progress), dtype=dtype)

    @property
    def key(self) -> str:
        """Equal keys, equal folders."""
        return f"{self.sha256}-{self.dtype}-{VERSION}"


def dtype_for(engine: Mapping[str, object]) -> str:
    """The type in which an entry's engine will compute, where its parameters say one, else ``bfloat16``."""
    named = str(engine.get("dtype", ""))
    named = _OTHER_NAMES.get(named, named)
    return named if named in DTYPES else DTYPES[0]


def make_folder(
    conversion: Conversion, folder: Path, python: str, watch: Watch, also: Mapping[str, str] | None = None
) -> Provenance:
    """Make `folder`, which is not there yet, with its provenance in it. It appears when it is whole, or not at all.

    Blocks for as long as it takes, which grows with the model: seconds to minutes.

    Args:
        python: An interpreter that has what :mod:`jubako.conversion.gguf_to_hf` needs.
        also: More files of text for the folder, by their names.

    Raises:
        ConfigurationError: it can't be done; the sentence says why.
    """
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        converted = run_program(python, conversion.file, partial, conversion.dtype, watch)
        provenance = _provenance(conversion, converted, partial)
        (partial / PROVENANCE_FILE).write_bytes(msgspec.json.format(msgspec.json.encode(provenance)) + b"\n")
        for name, text in (also or {}).items():
            (partial / name).write_text(text, encoding="utf-8")
        _sync(partial)
        partial.rename(folder)
    except OSError as error:
        raise ConfigurationError(f"The folder {folder} can't be made: {error.strerror or error}.") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return provenance


def _gguf_file(weights: Path) -> Path:
    files = sorted(weights.glob("*.gguf")) if weights.is_dir() else [weights]
    if len(files) != 1:
        found = f"{len(files)} of them: {', '.join(file.name for file in files[:5])}" if files else "none"
        raise ConfigurationError(f"A conversion from GGUF needs one file *.gguf, but {weights} has {found}.")
    with files[0].open("rb") as content:
        if content.read(4) != b"GGUF":
            raise ConfigurationError(f"{files[0]} is not a GGUF file, so it can't be converted from GGUF.")
    return files[0]


def _provenance(conversion: Conversion, converted: Converted, folder: Path) -> Provenance:
    return Provenance(
        made_by="jubako convert gguf-to-hf",
        converter=VERSION,
        source=conversion.source,
        file=conversion.file.name,
        sha256=conversion.sha256,
        dtype=conversion.dtype,
        architecture=converted.architecture,
        parameters=converted.parameters,
        versions={"jubako": jubako.__version__, **converted.versions},
        files=[
            StoredFile(str(path.relative_to(folder)), digest_file(path, Silent()), path.stat().st_size)
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        ],
    )


def _sync(folder: Path) -> None:
    for path in [*folder.rglob("*"), folder]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
