"""`jubako push` and `jubako pull oci://` with a real registry; skopeo is another reader of what they push."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import msgspec
import pytest
import yaml
from typer.testing import CliRunner

from jubako.cli.main import app
from jubako.oci.manifest import IMAGE_CONFIG, INDEX, MANIFEST, Index, Manifest, described, digest_of, encoded
from jubako.oci.modelpack import FILE_PATH, WEIGHT
from jubako.oci.reference import parse_reference
from jubako.oci.remote import RemoteRepository
from jubako.oci.upload import push_blob
from jubako.repository.cache import Cache
from jubako.repository.progress import Silent
from tests.counting_proxy import CountingProxy
from tests.integration.scripted_registry import ScriptedRegistry, artifact
from tests.integration.small_registry import SmallRegistry
from tests.integration.weight_server import ServedFile, WeightServer
from tests.registry import PASSWORD, Registry, needs_registry
from tests.serving import Server
from tests.unit.cli.command import clean_environment
from tests.unit.cli.command import jubako as run_jubako

pytestmark = needs_registry

CONTENT = random.Random(21).randbytes(2_000_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()
MODELS = Path(__file__).parents[1] / "models"
Jubako = Callable[..., "Ended"]

needs_skopeo = pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed: apt-get install skopeo")


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with Registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture
def target(registry: Registry, request: pytest.FixtureRequest) -> str:
    return f"oci+http://{registry.address}/{request.node.name.replace('_', '-')}"


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A model with weights in it, beside files of the entry that matter and some that don't."""
    entry = tmp_path / "models" / "chat"
    (entry / "2").mkdir(parents=True)
    (entry / "1").mkdir()
    (entry / "1" / "w.gguf").write_bytes(CONTENT[:1000])
    (entry / "2" / "w.gguf").write_bytes(CONTENT)
    (entry / "2" / "version.yaml").write_text(f"sha256: {DIGEST}\nengine: {{n_ctx: 512}}\n")
    (entry / "model.yaml").write_text(
        "# mine\nbackend: llama_cpp\nlicense: MIT\nversions: [1, 2]\naliases: {old: 1}\nchat_template: t.jinja\n"
    )
    (entry / "t.jinja").write_text("{{ messages }}")
    (entry / ".secret").write_text("hidden")
    (entry / "aliases.yaml").write_text("new: 2\n")
    return tmp_path / "models"


@dataclass
class Ended:
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def jubako(tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch) -> Jubako:
    """The command without a process of its own, which takes a second to start; two tests below run the real one."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str | Path, cache: str = "cache") -> Ended:
        environment = {"JUBAKO_CACHE_DIR": str(tmp_path / cache), "JUBAKO_REPOSITORY": str(models)}
        ended = CliRunner().invoke(app, [str(argument) for argument in arguments], env=environment)
        return Ended(ended.exit_code, ended.stdout, ended.stderr)

    return run


def test_a_version_goes_to_a_registry_and_comes_back(jubako: Jubako, registry: Registry, target: str, tmp_path: Path) -> None:
    pushed = jubako("push", "chat:2", target)
    assert pushed.returncode == 0, pushed.stderr
    reference = pushed.stdout.strip()
    assert re.fullmatch(rf"{re.escape(target)}@sha256:[0-9a-f]{{64}}", reference)
    assert "2/w.gguf: 100 %\n" in pushed.stderr
    assert "4 files, 1.9 MiB, sent\n" in pushed.stderr
    before = registry.uploaded
    again = jubako("push", "chat@new", f"{target}:latest")
    assert (again.stdout.strip(), again.returncode) == (reference, 0), again.stderr
    assert "0 files, 0 bytes, sent; 4 files there already\n" in again.stderr
    assert registry.uploaded - before < 8000

    pulled = jubako("pull", reference, "--into", "taken", cache="empty")
    assert (pulled.returncode, pulled.stdout) == (0, "chat:2  taken/chat/2\n"), pulled.stderr
    taken = {path.relative_to(tmp_path / "taken").as_posix() for path in (tmp_path / "taken").rglob("*") if path.is_file()}
    assert taken == {"chat/model.yaml", "chat/t.jinja", "chat/2/version.yaml"}
    model = yaml.safe_load((tmp_path / "taken/chat/model.yaml").read_text())
    assert model == {"backend": "llama_cpp", "license": "MIT", "chat_template": "t.jinja"}
    version = yaml.safe_load((tmp_path / "taken/chat/2/version.yaml").read_text())
    assert version == {"engine": {"n_ctx": 512}, "source": reference}
    assert jubako("check", "taken").returncode == 0
    before = registry.downloaded
    weights = jubako("pull", "chat", "--repository", "taken", cache="empty")
    assert Path(weights.stdout.removeprefix("chat:2  ").strip()).read_bytes() == CONTENT
    assert registry.downloaded == before

    back = jubako("push", "chat", f"{target}-copy", "--repository", "taken", cache="empty")
    assert back.stdout.strip().partition("@")[2] == reference.partition("@")[2]
    assert "0 files" in back.stderr


def test_equal_content_has_the_same_digest_wherever_it_comes_from(jubako: Jubako, target: str, models: Path) -> None:
    """Weights that lie in the entry, and the same from a server, at another time."""
    with WeightServer() as server:
        server.files["/w.gguf"] = ServedFile(CONTENT)
        entry = models / "there" / "chat"
        (entry / "2").mkdir(parents=True)
        (entry / "2" / "version.yaml").write_text("engine: {n_ctx: 512}\n")
        yaml_text = f"source: {server.url}/w.gguf\nsha256: {DIGEST}\nbackend: llama_cpp\nlicense: MIT\nchat_template: t.jinja\n"
        (entry / "model.yaml").write_text(yaml_text)
        (entry / "t.jinja").write_text("{{ messages }}")
        here = jubako("push", "chat:2", target)
        there = jubako("push", "chat", target, "--repository", models / "there")
    assert here.stdout == there.stdout != ""


def test_another_version_joins_an_entry(jubako: Jubako, target: str, tmp_path: Path) -> None:
    for name in ("chat:1", "chat:2"):
        pushed = jubako("push", name, target).stdout.strip()
        pulled = jubako("pull", pushed, "--into", "taken")
        assert pulled.returncode == 0, pulled.stderr
        assert "note:" not in pulled.stderr
    assert sorted(path.name for path in (tmp_path / "taken/chat").iterdir()) == ["1", "2", "model.yaml", "t.jinja"]
    again = jubako("pull", f"{target}:2", "--into", "taken")
    assert (again.returncode, again.stdout) == (0, "chat:2  taken/chat/2\n")
    assert "taken/chat/2 was there already." in again.stderr
    (tmp_path / "taken/chat/2/version.yaml").write_text("source: w.gguf\n")
    other = jubako("pull", f"{target}:2", "--into", "taken")
    assert other.returncode == 1
    assert "has another chat:2 already. To take this one, remove taken/chat/2." in other.stderr
    shutil.rmtree(tmp_path / "taken/chat/2")
    (tmp_path / "taken/chat/model.yaml").write_text("backend: echo\n")
    kept = jubako("pull", f"{target}:2", "--into", "taken")
    assert "taken/chat was there, with other files than the artifact's. They were left as they are." in kept.stderr
    assert (tmp_path / "taken/chat/model.yaml").read_text() == "backend: echo\n"


def test_code_is_copied_and_weights_are_not(jubako: Jubako, target: str, models: Path, tmp_path: Path) -> None:
    """Of a model whose code lies in its version folder, and whose weights are elsewhere."""
    (tmp_path / "w.bin").write_bytes(CONTENT)
    entry = models / "coded"
    (entry / "1/sub").mkdir(parents=True)
    (entry / "model.yaml").write_text("backend: python\n")
    (entry / "1/model.py").write_text("class Model: ...")
    (entry / "1/sub/table.txt").write_text("a\n")
    (entry / "1/version.yaml").write_text(f"source: file:{tmp_path}/w.bin\n")
    pushed = jubako("push", "coded", target)
    assert pushed.returncode == 0, pushed.stderr
    pulled = jubako("pull", pushed.stdout.strip(), "--into", "taken", cache="empty")
    assert pulled.returncode == 0, pulled.stderr
    taken = tmp_path / "taken/coded"
    assert sorted(path.relative_to(taken).as_posix() for path in taken.rglob("*") if path.is_file()) == [
        "1/model.py",
        "1/sub/table.txt",
        "1/version.yaml",
        "model.yaml",
    ]
    weights = jubako("pull", "coded", "--repository", "taken", cache="empty").stdout.removeprefix("coded:1  ").strip()
    assert (Path(weights).name, Path(weights).read_bytes()) == ("w.bin", CONTENT)


def test_a_file_that_is_loaded_has_its_neighbours(jubako: Jubako, target: str, models: Path) -> None:
    entry = models / "graph"
    (entry / "1").mkdir(parents=True)
    (entry / "model.yaml").write_text("backend: onnx\nsource: g.onnx\n")
    (entry / "1/g.onnx").write_bytes(b"graph")
    (entry / "1/g.onnx.data").write_bytes(CONTENT)
    pushed = jubako("push", "graph", target)
    assert pushed.returncode == 0, pushed.stderr
    jubako("pull", pushed.stdout.strip(), "--into", "taken", cache="empty")
    weights = Path(jubako("pull", "graph", "--repository", "taken", cache="empty").stdout.removeprefix("graph:1  ").strip())
    assert sorted(path.name for path in weights.parent.iterdir()) == ["g.onnx", "g.onnx.data"]
    assert weights.name == "g.onnx"
    again = jubako("push", "graph", f"{target}-again", "--repository", "taken", cache="empty")
    assert again.stdout.partition("@")[2] == pushed.stdout.partition("@")[2] != ""


def test_what_the_entry_pins_is_compared_before_it_is_pushed(jubako: Jubako, target: str, models: Path) -> None:
    (models / "chat/2/w.gguf").write_bytes(CONTENT[:-1])
    refused = jubako("push", "chat:2", target)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert f"but the entry pins {DIGEST}" in refused.stderr


def test_pull_without_a_repository_only_fetches(jubako: Jubako, target: str, tmp_path: Path) -> None:
    pushed = jubako("push", "chat:1", target).stdout.strip()
    pulled = jubako("pull", f"{target.replace('oci+http', 'oci')}:1", "--plain-http", cache="empty")
    reference, _, folder = pulled.stdout.strip().partition("  ")
    assert reference == pushed
    assert (Path(folder) / "1/w.gguf").read_bytes() == CONTENT[:1000]
    (tmp_path / "mounted").mkdir()
    (tmp_path / "mounted" / "chat").symlink_to(folder)
    assert jubako("check", "mounted").returncode == 0
    assert jubako("pull", "chat", "--repository", "mounted").stdout == f"chat:1  {tmp_path}/mounted/chat/1/w.gguf\n"


def test_a_killed_push_is_continued(jubako: Jubako, models: Path, tmp_path: Path) -> None:
    content = random.Random(4).randbytes(20_000_000)
    (models / "chat/2/w.gguf").write_bytes(content)
    (models / "chat/2/version.yaml").unlink()
    gate = threading.Event()
    with SmallRegistry() as registry, CountingProxy(registry.port) as proxy:
        target = f"oci+http://127.0.0.1:{proxy.port}/chat"
        proxy.cut("up", 12_000_000, gate)
        environment = clean_environment(JUBAKO_CACHE_DIR=str(tmp_path / "cache"), JUBAKO_REPOSITORY=str(models))
        command = [sys.executable, "-m", "jubako", "push", "chat:2", target]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as killed:
            assert killed.stderr
            assert any("w.gguf: 50 %" in line for line in killed.stderr)
            killed.kill()
        gate.set()
        pushed = jubako("push", "chat:2", target)
        assert pushed.returncode == 0, pushed.stderr
        assert content in registry.content.blobs.values()
        assert len(content) < proxy.uploaded < len(content) + 100_000


def test_two_processes_push_once(registry: Registry, target: str, models: Path, tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    environment = clean_environment(JUBAKO_CACHE_DIR=str(cache.root), JUBAKO_REPOSITORY=str(models))
    command = [sys.executable, "-m", "jubako", "push", "chat:2", target]
    with RemoteRepository(parse_reference(target)) as remote:
        key = cache.partial(f"push of sha256:{DIGEST} to {remote}").name
        with cache.lock("", Silent(), key=key):
            second = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
            assert second.stderr
            waiting = "Another process is at work on the push of 2/w.gguf; waiting for it.\n"
            assert any(line == waiting for line in second.stderr)
            push_blob(remote, described(CONTENT, "x/y"), CONTENT)
        before = registry.uploaded
        _, said = second.communicate(timeout=200)
    assert (second.returncode, "1 file there already" in said) == (0, True), said
    assert registry.uploaded - before < 20_000


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["push", "chat", "oci://127.0.0.1:1/X"], 2, "has capital letters in its repository"),
        (["push", "chat", "oci://127.0.0.1:1/x@sha256:" + "a" * 64], 1, "has a digest, which only the content can give"),
        (["push", "chats", "oci://127.0.0.1:1/x"], 1, "There is no model 'chats'"),
        (["pull", "chat", "--into", "x"], 2, "--into and --plain-http are for models of a registry"),
        (["pull", "oci://127.0.0.1:1/x@sha256:12"], 2, "has a digest that is none"),
    ],
)
def test_what_is_said_wrongly(jubako: Jubako, arguments: list[str], status: int, message: str) -> None:
    ended = jubako(*arguments)
    assert (ended.returncode, ended.stdout) == (status, "")
    assert message in ended.stderr


def test_what_is_no_model_is_not_added(jubako: Jubako, registry: Registry, target: str, tmp_path: Path) -> None:
    with RemoteRepository(parse_reference(target)) as remote:
        remote.put(b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}', INDEX, "1")
    pulled = jubako("pull", f"{target}:1", "--into", "taken")
    assert (pulled.returncode, (tmp_path / "taken").exists()) == (1, False)
    assert "has nothing for linux/" in pulled.stderr
    absent = jubako("pull", f"{target}:2", "--into", "taken")
    assert "does not have the manifest 2 of" in absent.stderr


def test_a_pulled_model_is_served_without_the_registry(tmp_path: Path, make_server: Callable[..., Server]) -> None:
    cache = str(tmp_path / "cache")
    with Registry(tmp_path / "registry") as registry:
        pushed = run_jubako(
            "push", "doubler", f"oci+http://{registry.address}/doubler", "--repository", MODELS, JUBAKO_CACHE_DIR=cache
        )
        shutil.rmtree(cache)
        pulled = run_jubako("pull", pushed.stdout.strip(), "--into", tmp_path / "taken", JUBAKO_CACHE_DIR=cache)
        assert pulled.returncode == 0, pulled.stderr
    with make_server(tmp_path / "taken", JUBAKO_CACHE_DIR=cache) as server:
        request = {"inputs": [{"name": "x", "shape": [2], "datatype": "FP64", "data": [3, 4]}]}
        answer = httpx.post(f"{server.url}/v2/models/doubler/infer", json=request)
        assert answer.status_code == 200, answer.text
        assert answer.json()["outputs"][0]["data"] == [6, 8]


def test_hidden_files_of_an_artifact_stay_away(jubako: Jubako, tmp_path: Path) -> None:
    config = b'{"descriptor": {"name": "chat"}}'
    files = {"model.yaml": b"backend: llama_cpp", ".git/config": b"[core]", "1/.env": b"x", "1/w.gguf": b"x"}
    served = artifact([(WEIGHT, content, {FILE_PATH: path}) for path, content in files.items()], config=config)
    with ScriptedRegistry(served) as registry:
        pulled = jubako("pull", f"{registry.place}:1", "--into", "taken")
    assert pulled.returncode == 0, pulled.stderr
    taken = {path.relative_to(tmp_path / "taken").as_posix() for path in (tmp_path / "taken").rglob("*") if path.is_file()}
    assert taken == {"chat/model.yaml", "chat/1/w.gguf"}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (os.mkfifo, "is neither a file nor a folder"),
        (lambda path: path.symlink_to("nowhere"), "can't be read: No such file or directory"),
    ],
)
def test_what_no_artifact_can_hold(
    jubako: Jubako, models: Path, registry: Registry, make: Callable[[Path], object], message: str
) -> None:
    make(models / "chat" / "odd")
    pushed = jubako("push", "chat:2", f"oci+http://{registry.address}/odd")
    assert (pushed.returncode, pushed.stdout) == (1, "")
    assert f"chat/odd {message}" in pushed.stderr


# --- other tools -------------------------------------------------------------------------------------------------------------


@needs_skopeo
def test_skopeo_reads_and_copies_what_is_pushed(jubako: Jubako, registry: Registry, target: str, tmp_path: Path) -> None:
    pushed = jubako("push", "chat:2", target).stdout.strip()
    digest = pushed.partition("@")[2]
    name = f"docker://{pushed.removeprefix('oci+http://').partition('@')[0]}"
    manifest = json.loads(_skopeo("inspect", "--tls-verify=false", "--raw", f"{name}:2"))
    assert manifest["artifactType"] == "application/vnd.cncf.model.manifest.v1+json"
    assert manifest["config"]["mediaType"] == "application/vnd.cncf.model.config.v1+json"
    layers = {layer["annotations"]["org.cncf.model.filepath"]: layer for layer in manifest["layers"]}
    assert {path: layer["mediaType"].removeprefix("application/vnd.cncf.model.") for path, layer in layers.items()} == {
        "2/version.yaml": "weight.config.v1.raw",
        "2/w.gguf": "weight.v1.raw",
        "model.yaml": "weight.config.v1.raw",
        "t.jinja": "weight.config.v1.raw",
    }
    assert layers["2/w.gguf"]["digest"] == f"sha256:{DIGEST}"
    config = json.loads(_skopeo("inspect", "--tls-verify=false", "--raw", "--config", f"{name}:2"))
    assert config["descriptor"] == {"licenses": ["MIT"], "name": "chat", "version": "2"}
    assert config["modelfs"]["diffIds"] == [layer["digest"] for layer in manifest["layers"]]

    copy = f"{name}-copy:2"
    _skopeo("copy", "--src-tls-verify=false", "--dest-tls-verify=false", f"{name}@{digest}", copy)
    assert hashlib.sha256(_skopeo("inspect", "--tls-verify=false", "--raw", copy).encode()).hexdigest() in digest
    copied = f"oci+{copy.replace('docker', 'http').rpartition(':')[0]}@{digest}"
    pulled = jubako("pull", copied, "--into", "copied", cache="empty")
    assert pulled.stdout == "chat:2  copied/chat/2\n", pulled.stderr


@needs_skopeo
def test_an_image_that_skopeo_has_pushed_is_a_source(
    jubako: Jubako, registry: Registry, target: str, models: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "image"
    _make_image(folder)
    name = target.removeprefix("oci+http://")
    _skopeo("copy", "--dest-tls-verify=false", f"oci:{folder}:1", f"docker://{name}:1")
    entry = models / "carried"
    (entry / "1").mkdir(parents=True)
    (entry / "model.yaml").write_text("backend: llama_cpp\n")
    (entry / "1/version.yaml").write_text(f"source: {target}:1/w.gguf\nsha256: {DIGEST}\n")
    pulled = jubako("pull", "carried")
    assert Path(pulled.stdout.removeprefix("carried:1  ").strip()).read_bytes() == CONTENT, pulled.stderr


def _skopeo(*arguments: str) -> str:
    # Whatever the machine's policy says of signatures: the tests trust what they have made.
    finished = subprocess.run(
        ["skopeo", "--insecure-policy", *arguments], capture_output=True, text=True, timeout=200, check=False
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def _make_image(folder: Path) -> None:
    """An OCI layout with one image, whose one layer has a model in /models."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        member = tarfile.TarInfo("models/w.gguf")
        member.size = len(CONTENT)
        archive.addfile(member, io.BytesIO(CONTENT))
    layer = described(packed.getvalue(), "application/vnd.oci.image.layer.v1.tar+gzip")
    unpacked = hashlib.sha256(gzip.decompress(packed.getvalue())).hexdigest()
    image = {
        "architecture": "amd64",
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{unpacked}"]},
        "config": {},
    }
    config = json.dumps(image).encode()
    manifest = encoded(Manifest(media_type=MANIFEST, config=described(config, IMAGE_CONFIG), layers=[layer]))
    top = msgspec.structs.replace(described(manifest, MANIFEST), annotations={"org.opencontainers.image.ref.name": "1"})
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    for content in (packed.getvalue(), config, manifest):
        (blobs / hashlib.sha256(content).hexdigest()).write_bytes(content)
    (folder / "index.json").write_bytes(encoded(Index(media_type=INDEX, manifests=[top])))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')


@needs_skopeo
def test_a_registry_with_tls_of_ones_own_and_a_password(
    jubako: Jubako, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Registry(tmp_path / "closed", basic=True, tls=True) as closed:
        target = f"oci://{closed.address}/team/chat"
        untrusted = jubako("push", "chat:2", target)
        assert (untrusted.returncode, "a certificate that is not trusted" in untrusted.stderr) == (1, True)
        monkeypatch.setenv("SSL_CERT_FILE", str(closed.authority))
        stranger = jubako("push", "chat:2", target)
        assert (stranger.returncode, "There are no credentials for" in stranger.stderr) == (1, True)
        monkeypatch.setenv("REGISTRY_AUTH_FILE", str(closed.auth_file(key=f"{closed.address}/team")))
        pushed = jubako("push", "chat:2", target)
        assert pushed.returncode == 0, pushed.stderr
        digest = pushed.stdout.strip().partition("@")[2]

        name = f"docker://{closed.address}/team"
        assert digest_of(_skopeo("inspect", "--raw", f"{name}/chat:2").encode()) == digest
        layout = f"oci:{tmp_path}/layout:chat"
        _skopeo("copy", f"{name}/chat@{digest}", layout)
        _skopeo("copy", layout, f"{name}/back:2")
        pulled = jubako("pull", f"oci://{closed.address}/team/back@{digest}", "--into", "taken", cache="empty")
        assert pulled.stdout == "chat:2  taken/chat/2\n", pulled.stderr
        for ended in (untrusted, stranger, pushed, pulled):
            assert PASSWORD not in ended.stdout + ended.stderr
