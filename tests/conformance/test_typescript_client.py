"""The TypeScript client (`clients/typescript`) in Node, against real servers; and the protocol that it is made from."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

import pytest
import trustme
from jubako_client import errors

from jubako.paths import shipped
from tests.conformance.tensor_models import REPEAT, REPEAT_CODE
from tests.serving import Server, free_port
from tests.unit.cli.command import clean_environment

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "clients" / "typescript"
TOOLS = PACKAGE / "node_modules" / ".bin"
SHOWN_ADDRESS = "127.0.0.1:50051"

pytestmark = [
    pytest.mark.skipif(not TOOLS.is_dir(), reason="Node's packages are not installed; `make install-node` does that."),
    pytest.mark.timeout(600),
]

ECHO = "backend: echo\n"
SLOW = "backend: echo\nengine: {token_delay_s: 0.1, slots: 1}\n"
SPARE = "backend: echo\nautoload: false\n"
DOUBLE = """\
backend: python
max_batch_size: 8
inputs: [{name: x, datatype: FP32, shape: [3]}]
outputs: [{name: y, datatype: FP32, shape: [3]}]
"""
DOUBLE_CODE = """\
class Model:
    def infer(self, x):
        return {"y": x * 2}
"""


# --- servers --------------------------------------------------------------------------------------------------------------


def repository(folder: Path, **entries: str) -> Path:
    for name, text in entries.items():
        (folder / name / "1").mkdir(parents=True)
        (folder / name / "model.yaml").write_text(text)
    return folder


@pytest.fixture(scope="module")
def text_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of a real model, and of those that the examples ask besides."""
    folder = tmp_path_factory.mktemp("text")
    entries = {"double": DOUBLE, "repeat": REPEAT, "minilm": ECHO, "length": ECHO, "language": ECHO}
    made = repository(folder / "repository", echo=ECHO, slow=SLOW, **entries)
    (made / "double" / "1" / "model.py").write_text(DOUBLE_CODE)
    (made / "repeat" / "1" / "model.py").write_text(REPEAT_CODE)
    (made / "smollm2").symlink_to(shipped("model_repository") / "smollm2")
    with Server(made, folder / "server.log", {}) as running:
        yield running


@dataclass(frozen=True)
class Secrets:
    """What a server with TLS and keys wants of its clients: files in PEM, and keys."""

    roots: str
    certificate: str
    key: str
    other: str
    administrator: str
    user: str


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Secrets:
    folder = tmp_path_factory.mktemp("secrets")
    authority = trustme.CA()
    for name, issued in {"server": authority.issue_cert("localhost"), "client": authority.issue_cert("client.test")}.items():
        issued.private_key_pem.write_to_path(folder / f"{name}.key")
        issued.cert_chain_pems[0].write_to_path(folder / f"{name}.pem")
    authority.cert_pem.write_to_path(folder / "roots.pem")
    trustme.CA().cert_pem.write_to_path(folder / "other.pem")
    return Secrets(
        roots=str(folder / "roots.pem"),
        certificate=str(folder / "client.pem"),
        key=str(folder / "client.key"),
        other=str(folder / "other.pem"),
        administrator="jk-administrator",
        user="jk-user",
    )


@pytest.fixture(scope="module")
def secure_server(secrets: Secrets, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with TLS that asks for clients' certificates and for keys."""
    folder = tmp_path_factory.mktemp("secure")
    certificates = Path(secrets.roots).parent
    keys = {"admin": secrets.administrator, "user": secrets.user}
    scopes = {"admin": ["admin", "infer"], "user": ["infer"]}
    (folder / "keys.toml").write_text(
        "".join(
            f"[keys.{name}]\nsha256 = {sha256(key.encode()).hexdigest()!r}\nscopes = {scopes[name]}\n"
            for name, key in keys.items()
        )
    )
    settings = {
        "JUBAKO_GRPC_TLS_CERT": str(certificates / "server.pem"),
        "JUBAKO_GRPC_TLS_KEY": str(certificates / "server.key"),
        "JUBAKO_GRPC_TLS_CLIENT_CA": secrets.roots,
        "JUBAKO_API_KEYS": str(folder / "keys.toml"),
    }
    made = repository(folder / "repository", echo=ECHO, spare=SPARE)
    with Server(made, folder / "server.log", settings) as running:
        yield running


# --- in Node --------------------------------------------------------------------------------------------------------------


def run(*command: str | Path, **environment: str) -> str:
    """What the command prints, run in the package's folder.

    Raises:
        AssertionError: it failed.
    """
    ran = subprocess.run(
        command,
        cwd=PACKAGE,
        env=clean_environment(PATH=f"{TOOLS}{os.pathsep}{os.environ['PATH']}", **environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=540,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout
    return ran.stdout


@pytest.fixture(scope="module")
def built() -> None:
    """The package, as it is published."""
    shutil.rmtree(PACKAGE / "dist", ignore_errors=True)
    run("npm", "run", "build")


@pytest.fixture(scope="module")
def servers(
    text_server: Server, tensor_server: Server, secure_server: Server, secrets: Secrets, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """What clients/typescript/tests/servers.ts wants to be told."""
    port = free_port()
    served = repository(tmp_path_factory.mktemp("restarted"), echo=ECHO)
    command = [sys.executable, "-m", "jubako", "serve", str(served), "--port", str(free_port()), "--grpc-port", str(port)]
    return {
        "JUBAKO_TEXT": f"127.0.0.1:{text_server.grpc_port}",
        "JUBAKO_TENSORS": f"127.0.0.1:{tensor_server.grpc_port}",
        "JUBAKO_SECURE": f"localhost:{secure_server.grpc_port}",
        "JUBAKO_SECRETS": json.dumps(asdict(secrets)),
        "JUBAKO_COMMAND": json.dumps(command),
        "JUBAKO_RESTARTED": str(port),
    }


@pytest.mark.usefixtures("built")
def test_the_client(servers: dict[str, str]) -> None:
    """Runs the tests in clients/typescript/tests."""
    report = run("npm", "test", **servers)
    assert re.search("^# pass [1-9]", report, re.MULTILINE), report


# --- examples -------------------------------------------------------------------------------------------------------------

_FENCE = re.compile(r"^( \* |   \* |)```ts\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
_WITH_A_CLIENT = 'import { Client } from "@jubako/client";\nconst client = new Client("127.0.0.1:50051");\n'


def examples() -> Iterator[tuple[str, str]]:
    """The names and texts of what the README and the comments show."""
    for page in [PACKAGE / "README.md", *sorted((PACKAGE / "src").glob("*.ts"))]:
        text = page.read_text()
        for found in _FENCE.finditer(text):
            shown = re.sub(f"^{re.escape(found[1].rstrip())} ?", "", found[2], flags=re.MULTILINE) if found[1] else found[2]
            yield f"{page.stem}-{text.count(chr(10), 0, found.start()) + 1}", shown


@pytest.mark.usefixtures("built")
def test_the_examples(text_server: Server) -> None:
    """All of them type-check and run, one after another."""
    folder = PACKAGE / "build" / "examples"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, text in examples():
        (folder / f"{name}.ts").write_text(text if "new Client(" in text else _WITH_A_CLIENT + text)
    settings = {
        "extends": "../../tsconfig.json",
        "compilerOptions": {"rootDir": ".", "outDir": "."},
        "include": ["."],
        "exclude": [],
    }
    (folder / "tsconfig.json").write_text(json.dumps(settings))
    run("tsc", "--project", folder)
    made = sorted(folder.glob("*.js"))
    assert len(made) > 5
    for script in made:
        script.write_text(script.read_text().replace(SHOWN_ADDRESS, f"127.0.0.1:{text_server.grpc_port}"))
    run("node", "--input-type=module", "--eval", f"for (const each of {[str(script) for script in made]}) await import(each);")


# --- the package ----------------------------------------------------------------------------------------------------------


def test_the_messages_are_those_of_the_protocol(tmp_path: Path) -> None:
    run("buf", "generate", "--output", tmp_path)
    made, committed = (
        {str(path.relative_to(root)): path.read_text() for path in sorted((root / "src" / "protos").rglob("*.ts"))}
        for root in (tmp_path, PACKAGE)
    )
    assert made == committed


ERRORS = """\
import * as all from "@jubako/client";
const kinds = Object.values(all).filter((kind) => kind.prototype instanceof all.JubakoError);
const errors = kinds.map((kind) => [kind.name, [Object.getPrototypeOf(kind).name, kind.reason ?? null]]);
console.log(JSON.stringify(Object.fromEntries(errors)));
"""


@pytest.mark.usefixtures("built")
def test_the_errors_are_those_of_the_python_client() -> None:
    kinds = [getattr(errors, name) for name in errors.__all__ if name != "JubakoError"]
    found = json.loads(run("node", "--input-type=module", "--eval", ERRORS))
    assert found == {kind.__name__: [kind.__base__.__name__, kind.reason] for kind in kinds}


@pytest.mark.usefixtures("built")
def test_what_is_published() -> None:
    (packed,) = json.loads(run("npm", "pack", "--dry-run", "--json", "--ignore-scripts", "--loglevel=silent"))
    files = {file["path"] for file in packed["files"]}
    assert {"package.json", "README.md", "dist/index.js", "dist/index.d.ts"} <= files
    assert all(file.startswith("dist/") or file in ("package.json", "README.md", "LICENSE") for file in files), files
    assert {Path(file).suffix for file in files if file.startswith("dist/")} == {".js", ".ts"}


def test_the_lock_names_no_registry() -> None:
    assert "resolved" not in (PACKAGE / "package-lock.json").read_text()
