"""Whether a version that is read again is what it was: what its instances are told, and the files that they read."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from jubako.backends.base import ModelSpec
from jubako.repository.aliases import ALIASES_FILE
from jubako.repository.model import Model, Version
from jubako.repository.source import BentoModelSource, FileSource
from jubako.repository.sources import local_path

DECLARATIONS = {"model.yaml", "version.yaml", "config.pbtxt", ALIASES_FILE}
"""Files whose meaning is in the specification, or is nothing to an instance: a change that means the same is none."""


def fingerprint(model: Model, version: Version, spec: ModelSpec) -> str:
    """A digest of all that an instance of `version` depends on; other versions of the model do not count.

    Files count by their size and their times, not by their contents, so that this costs no more than a look at each.

    Args:
        spec: What instances are told, but for where the weights lie.
    """
    digest = hashlib.sha256()
    # What it says of versions is for those who ask; it names others than this one.
    spec = msgspec.structs.replace(spec, config=_without_version_policy(spec.config))
    digest.update(msgspec.msgpack.encode(spec, order="deterministic"))
    digest.update(
        repr((str(version.source), version.sha256, version.convert, model.config.instances, model.config.limits)).encode()
    )
    for line in _files(model, version):
        digest.update(line.encode("utf-8", "surrogateescape") + b"\0")
    return digest.hexdigest()


def _files(model: Model, version: Version) -> Iterator[str]:
    """A line for each file of the entry that an instance of `version` may read."""
    for path in sorted(model.folder.iterdir()):
        if not path.name.isdigit() and _counts(path.name):
            yield from _tree(path)
    yield from _tree(version.folder)
    if isinstance(version.source, FileSource | BentoModelSource) and (place := local_path(version)):
        yield from _tree(place)


def _tree(path: Path) -> Iterator[str]:
    if not path.is_dir():
        yield _line(path)
        return
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(filter(_counts, folders))
        for name in sorted(filter(_counts, names)):
            yield _line(Path(folder) / name)


def _counts(name: str) -> bool:
    # What interpreters and tools leave behind is no part of a model.
    return name not in DECLARATIONS and name != "__pycache__" and not name.startswith(".")


def _line(path: Path) -> str:
    try:
        status = path.stat()
    except OSError:
        return f"{path} is gone"
    return f"{path} {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns} {status.st_ino}"


def _without_version_policy(config: str) -> str:
    if not config:
        return ""
    fields: dict[str, object] = msgspec.json.decode(config)
    return msgspec.json.encode({name: value for name, value in fields.items() if name != "version_policy"}).decode()
