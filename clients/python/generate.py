"""Make ``src/jubako_client/_protos`` from the texts of the protocols: ``python clients/python/generate.py``.

The classes are those that the server uses, made by ``protos/generate.py``, and beside them those of the details of errors, from
``protos/rpc.proto`` here. The same texts make the same files.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from importlib import resources
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from grpc_tools import protoc

HERE = Path(__file__).parent
PROTOS = HERE.parent.parent / "protos"
WELL_KNOWN = resources.files("grpc_tools") / "_proto"
FOLDER = HERE / "src" / "jubako_client" / "_protos"
MODULES = ("inference", "jubako_v1")
PACKAGES = ("inference", "jubako.v1", "google.protobuf")
"""The packages that the client needs of the server's."""

RPC = '''# Made by clients/python/generate.py from clients/python/protos/rpc.proto. Change that instead.

"""What an error says beside its sentence."""

from jubako_client._protos.pool import message

'''


def generate(folder: Path) -> None:
    """Write the files into `folder`.

    Raises:
        SystemExit: a text is wrong; protoc has said why.
    """
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch)
        subprocess.run([sys.executable, PROTOS / "generate.py", made], check=True)
        for module in MODULES:
            classes = (made / f"{module}.py").read_text().replace("from jubako.protos.pool", "from jubako_client._protos.pool")
            (folder / f"{module}.py").write_text(classes)
            (folder / f"{module}.pyi").write_text((made / f"{module}.pyi").read_text())
        rpc = _errors(made)
        (folder / "rpc.pyi").write_text(
            RPC.partition("\n")[0] + "\n" + (made / "rpc_pb2.pyi").read_text().replace("_Mapping]", "_Mapping[str, object]]")
        )
        names = sorted(message.name for file in rpc.file if file.package == "jubako_client.rpc" for message in file.message_type)
        (folder / "rpc.py").write_text(RPC + "".join(f'{name} = message("jubako_client.rpc.{name}")\n' for name in names))
        server = FileDescriptorSet.FromString((made / "descriptors.binpb").read_bytes())
        files = {file.name: file for file in [*server.file, *rpc.file] if file.package in (*PACKAGES, "jubako_client.rpc")}
        (folder / "descriptors.binpb").write_bytes(FileDescriptorSet(file=files.values()).SerializeToString(deterministic=True))
    _format(folder)


def _errors(scratch: Path) -> FileDescriptorSet:
    binary = scratch / "rpc.binpb"
    folders = [f"-I{HERE / 'protos'}", f"-I{WELL_KNOWN}"]
    written = [f"--descriptor_set_out={binary}", f"--pyi_out={scratch}"]
    if status := protoc.main(["protoc", *folders, "--include_imports", *written, "rpc.proto"]):
        raise SystemExit(status)
    return FileDescriptorSet.FromString(binary.read_bytes())


def _format(folder: Path) -> None:
    stubs = sorted(folder.glob("*.pyi"))
    text = [*stubs, *(folder / f"{module}.py" for module in (*MODULES, "rpc"))]
    subprocess.run([sys.executable, "-m", "ruff", "format", "--quiet", "--isolated", "--line-length=130", *text], check=True)


if __name__ == "__main__":
    generate(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
