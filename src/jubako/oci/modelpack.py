"""Models as artifacts: the CNCF ModelPack specification's types, version 1."""

from __future__ import annotations

from pathlib import PurePosixPath

from msgspec import UNSET, Struct, UnsetType

ARTIFACT = "application/vnd.cncf.model.manifest.v1+json"
CONFIG = "application/vnd.cncf.model.config.v1+json"
WEIGHT = "application/vnd.cncf.model.weight.v1.raw"
WEIGHT_CONFIG = "application/vnd.cncf.model.weight.config.v1.raw"
DOCUMENT = "application/vnd.cncf.model.doc.v1.raw"
CODE = "application/vnd.cncf.model.code.v1.raw"

FILE_PATH = "org.cncf.model.filepath"
"""Of a layer: the path of its file."""
GUESSED = "org.cncf.model.file.mediatype.untested"
"""Of a layer: ``true`` where its type was told by the file's name alone."""

WEIGHTS_FOLDER = "jubako.weights"
"""Of an artifact that `jubako push` has made: the folder with its weights, as against code and texts."""
WEIGHTS_FILE = "jubako.weights.file"
"""Of such an artifact: the file in that folder that is loaded; absent if the folder itself is."""

_CONFIG_SUFFIXES = {".json", ".jsonl", ".yaml", ".yml", ".toml", ".txt", ".jinja", ".jinja2", ".pbtxt", ".vocab", ".model"}
_CODE_SUFFIXES = {".py", ".sh"}
_DOCUMENTS = {"LICENSE", "LICENCE", "NOTICE", "COPYING"}
_FORMATS = {
    ".gguf": "gguf",
    ".safetensors": "safetensors",
    ".onnx": "onnx",
    ".pt": "pt",
    ".pth": "pt",
    ".pt2": "pt",
    ".skops": "skops",
    ".joblib": "joblib",
}


class ModelDescriptor(Struct, frozen=True, omit_defaults=True):
    """Whose model it is; all of it is for people, and `name` and `version` for those who add it to a repository."""

    name: str = ""
    version: str = ""
    description: str = ""
    licenses: list[str] = []


class TechnicalConfig(Struct, frozen=True, omit_defaults=True):
    format: str = ""


class ModelFiles(Struct, frozen=True, rename="camel"):
    """The digests of the layers, unpacked."""

    type: str
    diff_ids: list[str]


class ModelConfig(Struct, frozen=True, omit_defaults=True):
    """The artifact's configuration. No time of creation: equal models have equal digests."""

    descriptor: ModelDescriptor
    config: TechnicalConfig | UnsetType = UNSET
    modelfs: ModelFiles | UnsetType = UNSET


def media_type_of(path: str) -> str:
    """The type of the layer that holds a file, by the file's name; what is not known is weights."""
    name = PurePosixPath(path)
    suffix = name.suffix.lower()
    if suffix == ".md" or name.stem.upper() in _DOCUMENTS:
        return DOCUMENT
    if suffix in _CODE_SUFFIXES:
        return CODE
    return WEIGHT_CONFIG if suffix in _CONFIG_SUFFIXES else WEIGHT


def format_of(paths: list[str]) -> str:
    """The format of the weights among the files, by the specification's names; empty if it is not known."""
    return next((_FORMATS[suffix] for suffix in (PurePosixPath(path).suffix for path in paths) if suffix in _FORMATS), "")
