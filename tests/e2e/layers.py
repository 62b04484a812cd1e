"""What is in the layers of an image, one by one: a file that a later layer removes is still there."""

from __future__ import annotations

import gzip
import json
import shutil
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.machine import Machine


@dataclass(frozen=True)
class Unpacked:
    """An image as files: its configuration, and its layers as tar files, from the lowest."""

    configuration: dict[str, Any]
    layers: tuple[Path, ...]

    def paths(self) -> Iterator[str]:
        """Of every file of every layer, without the slash in front."""
        for layer in self.layers:
            with tarfile.open(layer) as tar:
                yield from (member.name.removeprefix("./") for member in tar)

    def content(self, path: str) -> Iterator[bytes]:
        """Of every layer that has a file of this path."""
        for layer in self.layers:
            with tarfile.open(layer) as tar:
                for member in tar:
                    if member.name.removeprefix("./") == path and member.isfile():
                        found = tar.extractfile(member)
                        assert found is not None
                        yield found.read()

    def mentions(self, *texts: str) -> list[str]:
        """Those of the texts that occur anywhere: in a file, in a name, in the configuration or its history."""
        configuration = json.dumps(self.configuration)
        found = {text for text in texts if text in configuration}
        for layer in self.layers:
            rest = b""
            with layer.open("rb") as stream:
                while part := stream.read(4 * 1024 * 1024):
                    found |= {text for text in texts if text.encode() in rest + part}
                    rest = part[-200:]
        return sorted(found)

    @property
    def sizes(self) -> list[int]:
        """Of the files of each layer, in bytes."""
        sizes = []
        for layer in self.layers:
            with tarfile.open(layer) as tar:
                sizes.append(sum(member.size for member in tar))
        return sizes


def unpack(machine: Machine, image: str, folder: Path) -> Unpacked:
    """The image that the machine's registry has."""
    machine.run("skopeo", "copy", "--src-tls-verify=false", f"docker://{image}", f"dir:{folder}")
    return _read(folder)


def unpack_here(machine: Machine, image: str, folder: Path) -> Unpacked:
    """The image that the machine itself has, which need not be pushed."""
    machine.run("skopeo", "copy", f"containers-storage:{image}", f"dir:{folder}")
    return _read(folder)


def _read(folder: Path) -> Unpacked:
    manifest = json.loads((folder / "manifest.json").read_text())
    configuration = json.loads((folder / manifest["config"]["digest"].partition(":")[2]).read_text())
    return Unpacked(configuration, tuple(_plain(folder / layer["digest"].partition(":")[2]) for layer in manifest["layers"]))


def _plain(layer: Path) -> Path:
    """The layer without compression."""
    plain = layer.with_suffix(".tar")
    with layer.open("rb") as stream:
        if stream.read(2) != b"\x1f\x8b":
            return layer.rename(plain)
    with gzip.open(layer) as packed, plain.open("wb") as file:
        shutil.copyfileobj(packed, file, 1024 * 1024)
    layer.unlink()
    return plain
