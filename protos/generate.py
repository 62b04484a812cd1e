"""Make ``src/jubako/protos/inference.*`` from ``protos/inference/*.proto``: ``python protos/generate.py FOLDER``.

What is written is a set of descriptors, which any version of protobuf reads, a module with the message classes, and their types.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from grpc_tools import protoc

PROTOS = Path(__file__).parent
PACKAGE = "inference"
NOTICE = f"# Made by `make protos` from protos/{PACKAGE}/. Change those instead.\n"


def generate(folder: Path) -> None:
    """Write the three files into `folder`.

    Raises:
        SystemExit: a text is wrong; protoc has said why.
    """
    with tempfile.TemporaryDirectory() as scratch:
        binary = folder / f"{PACKAGE}.binpb"
        texts = sorted(str(path) for path in (PROTOS / PACKAGE).glob("*.proto"))
        command = ["protoc", f"-I{PROTOS}", "--include_imports", f"--descriptor_set_out={binary}", f"--pyi_out={scratch}", *texts]
        if status := protoc.main(command):
            raise SystemExit(status)
        stubs = [path.read_text() for path in sorted(Path(scratch, PACKAGE).glob("*.pyi"))]
    (folder / f"{PACKAGE}.pyi").write_text(_joined(stubs))
    (folder / f"{PACKAGE}.py").write_text(_classes(FileDescriptorSet.FromString(binary.read_bytes())))


def _joined(stubs: list[str]) -> str:
    """The stubs of all texts as one, since one module holds all their classes."""
    lines = [line for stub in stubs for line in stub.splitlines()]
    imports = sorted({line for line in lines if line.startswith(("from ", "import ")) and "_pb2" not in line})
    body = "\n".join(line for line in lines if not line.startswith(("from ", "import ", "DESCRIPTOR:")))
    body = re.sub(r"\b_\w+_pb2\.", "", body)
    body = re.sub(r"\b_Mapping\b(?!\[)", "_Mapping[str, object]", body)
    body = body.replace("**kwargs)", "**kwargs: object)")
    return NOTICE + "\n".join(imports) + "\n" + re.sub(r"\n{3,}", "\n\n", "\n" + body).rstrip() + "\n"


def _classes(files: FileDescriptorSet) -> str:
    messages = sorted(f"{file.package}.{message.name}" for file in files.file for message in file.message_type)
    enums = [(file.package, enum) for file in files.file for enum in file.enum_type]
    lines = [f'"""The messages of ``protos/{PACKAGE}/``."""', "", "from jubako.protos.pool import enum, message", ""]
    lines += [f'{name.rpartition(".")[2]} = message("{name}")' for name in messages]
    for package, enum in enums:
        lines += ["", f'{enum.name} = enum("{package}.{enum.name}")']
        lines += [f'{value.name} = {enum.name}.Value("{value.name}")' for value in enum.value]
    return NOTICE + "\n" + "\n".join(lines) + "\n"


if __name__ == "__main__":
    generate(Path(sys.argv[1]))
