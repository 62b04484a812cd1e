"""Make ``src/jubako/protos`` from ``protos/``: ``python protos/generate.py FOLDER``.

What is written is a set of descriptors, which any version of protobuf reads, and for each package a module with its message
classes and their types.
"""

from __future__ import annotations

import re
import sys
import tempfile
from importlib import resources
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from grpc_tools import protoc

PROTOS = Path(__file__).parent
WELL_KNOWN = resources.files("grpc_tools") / "_proto"
"""protobuf's own texts, such as that of a JSON object."""
MODULES = {"inference": "inference", "jubako_v1": "jubako/v1", "health": "grpc/health/v1", "reflection": "grpc/reflection/v1"}
"""The folder of each module's texts."""

_OF_OURS = re.compile(r"(?:from (?!google\.protobuf )\S+ )?import .*\bas (_\w+_pb2)$")
"""An import of another text's stubs, which end up in the same module."""


def generate(folder: Path) -> None:
    """Write the files into `folder`.

    Raises:
        SystemExit: a text is wrong; protoc has said why.
    """
    binary = folder / "descriptors.binpb"
    with tempfile.TemporaryDirectory() as scratch:
        texts = [str(path) for texts in MODULES.values() for path in sorted((PROTOS / texts).glob("*.proto"))]
        command = [
            "protoc",
            f"-I{PROTOS}",
            f"-I{WELL_KNOWN}",
            "--include_imports",
            f"--descriptor_set_out={binary}",
            f"--pyi_out={scratch}",
            *texts,
        ]
        if status := protoc.main(command):
            raise SystemExit(status)
        descriptors = FileDescriptorSet.FromString(binary.read_bytes())
        for module, texts_folder in MODULES.items():
            stubs = [path.read_text() for path in sorted(Path(scratch, texts_folder).glob("*.pyi"))]
            files = [file for file in descriptors.file if Path(file.name).parent == Path(texts_folder)]
            notice = f"# Made by `make protos` from protos/{texts_folder}/. Change those instead.\n"
            (folder / f"{module}.pyi").write_text(notice + _joined(stubs))
            (folder / f"{module}.py").write_text(notice + _classes(files, texts_folder))


def _joined(stubs: list[str]) -> str:
    """The stubs of all texts as one, since one module holds all their classes."""
    lines = [line for stub in stubs for line in stub.splitlines()]
    imports = sorted({line for line in lines if line.startswith(("from ", "import ")) and not _OF_OURS.match(line)})
    body = "\n".join(line for line in lines if not line.startswith(("from ", "import ", "DESCRIPTOR:")))
    ours = {match[1] for line in lines if (match := _OF_OURS.match(line))}
    body = re.sub(r"\b(_\w+_pb2)\.", lambda found: "" if found[1] in ours else found[0], body)
    body = re.sub(r"\b_Mapping\b(?!\[)", "_Mapping[str, object]", body)
    body = body.replace("**kwargs)", "**kwargs: object)")
    return "\n".join(imports) + "\n" + re.sub(r"\n{3,}", "\n\n", "\n" + body).rstrip() + "\n"


def _classes(files: list[FileDescriptorProto], texts_folder: str) -> str:
    messages = sorted(f"{file.package}.{message.name}" for file in files for message in file.message_type)
    enums = [(file.package, enum) for file in files for enum in file.enum_type]
    needed = "enum, message" if enums else "message"
    lines = ["", f'"""The messages of ``protos/{texts_folder}/``."""', "", f"from jubako.protos.pool import {needed}", ""]
    lines += [f'{name.rpartition(".")[2]} = message("{name}")' for name in messages]
    for package, enum in enums:
        lines += ["", f'{enum.name} = enum("{package}.{enum.name}")']
        lines += [f'{value.name} = {enum.name}.Value("{value.name}")' for value in enum.value]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    generate(Path(sys.argv[1]))
