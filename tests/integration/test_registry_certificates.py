"""Registries with an authority of their own, and ones that let in only who shows a certificate: real ones, over TLS."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from jubako.errors import ConfigurationError
from jubako.oci.credentials import Credentials
from jubako.oci.manifest import described
from jubako.oci.reference import parse_reference
from jubako.oci.remote import RemoteRepository
from jubako.oci.upload import push_blob
from jubako.web import Patience
from tests.integration.scripted_registry import Reply, Request, ScriptedRegistry
from tests.registry import Registry, needs_registry
from tests.unit.cli.command import jubako

CONTENT = b"content"
BLOB = described(CONTENT, "application/octet-stream")
HASTY = Patience(attempts=4, first_pause_s=0.01)
CLIENTS = trustme.CA()
REFUSED = "does not take this client's certificate|keeps failing"
"""The alert that says why may be lost where the server closes the connection at once."""


class GuardedRegistry(Registry):
    """Under a certificate of `issuer`, and only for clients that show one of CLIENTS."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.issuer = trustme.CA()
        own = self.issuer.issue_cert("127.0.0.1")
        own.private_key_and_cert_chain_pem.write_to_path(folder / "own.pem")
        CLIENTS.cert_pem.write_to_path(folder / "clients.pem")
        files = {
            "certificate": str(folder / "own.pem"),
            "key": str(folder / "own.pem"),
            "clientcas": [str(folder / "clients.pem")],
        }
        super().__init__(folder, settings={"http": {"tls": files}})


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with Registry(tmp_path_factory.mktemp("registry"), tls=True) as running:
        yield running


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedRegistry]:
    with GuardedRegistry(tmp_path_factory.mktemp("guarded") / "registry") as running:
        yield running


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of a user who has no certificates yet."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "home"


def folder_of(address: str, home: Path) -> Path:
    folder = home / ".config/containers/certs.d" / address
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def put_client(folder: Path, issuer: trustme.CA) -> None:
    client = issuer.issue_cert("client@example.org")
    client.cert_chain_pems[0].write_to_path(folder / "client.cert")
    client.private_key_pem.write_to_path(folder / "client.key")


def exchange(address: str) -> bytes:
    """Push a blob and read it again."""
    with RemoteRepository(parse_reference(f"{address}/x"), patience=HASTY) as remote:
        push_blob(remote, BLOB, CONTENT)
        return remote.read(BLOB, len(CONTENT))


@needs_registry
def test_an_authority_counts_for_its_registry_alone(registry: Registry, guarded: Registry, home: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"not trusted.*certs\.d/HOST:PORT/ca\.crt"):
        exchange(registry.address)
    (folder_of(guarded.address, home) / "ca.crt").write_bytes(registry.authority.read_bytes())
    with pytest.raises(ConfigurationError, match="not trusted"):
        exchange(registry.address)
    (folder_of(registry.address, home) / "ca.crt").write_bytes(registry.authority.read_bytes())
    assert exchange(registry.address) == CONTENT


@needs_registry
def test_a_client_is_let_in_by_its_certificate(guarded: GuardedRegistry, home: Path) -> None:
    folder = folder_of(guarded.address, home)
    guarded.issuer.cert_pem.write_to_path(folder / "ca.crt")
    with pytest.raises(ConfigurationError, match=REFUSED):
        exchange(guarded.address)
    put_client(folder, trustme.CA())
    with pytest.raises(ConfigurationError, match=REFUSED):
        exchange(guarded.address)
    put_client(folder, CLIENTS)
    assert exchange(guarded.address) == CONTENT


@needs_registry
def test_a_model_is_pushed_and_pulled_with_a_certificate(guarded: GuardedRegistry, home: Path, tmp_path: Path) -> None:
    folder = folder_of(guarded.address, home)
    guarded.issuer.cert_pem.write_to_path(folder / "ca.crt")
    put_client(folder, CLIENTS)
    entry = tmp_path / "models" / "m"
    (entry / "1").mkdir(parents=True)
    (entry / "model.yaml").write_text("backend: llama_cpp\n")
    (entry / "1" / "w.gguf").write_bytes(CONTENT)
    models, cache, other = (str(tmp_path / name) for name in ("models", "cache", "other"))
    target = f"oci://{guarded.address}/models/m"
    pushed = jubako("push", "m", target, HOME=str(home), JUBAKO_CACHE_DIR=cache, JUBAKO_REPOSITORY=models)
    assert pushed.returncode == 0, pushed.stderr
    pulled = jubako("pull", pushed.stdout.strip(), HOME=str(home), JUBAKO_CACHE_DIR=other)
    assert pulled.returncode == 0, pulled.stderr
    (folder / "client.key").unlink()
    refused = jubako("pull", f"{target}:1", HOME=str(home), JUBAKO_CACHE_DIR=cache)
    assert refused.returncode == 1
    assert f"{folder}/client.cert needs client.key beside it" in refused.stderr


def test_the_server_of_tokens_is_trusted_like_its_registry(home: Path, tmp_path: Path) -> None:
    def answer(request: Request) -> Reply:
        if request.path.startswith("/token"):
            return Reply(body=json.dumps({"token": "ticket"}).encode())
        if request.headers.get("authorization") != "Bearer ticket":
            realm = f"https://{request.headers['host']}/token"
            return Reply(401, headers={"www-authenticate": f'Bearer realm="{realm}"'})
        return Reply(body=CONTENT)

    with ScriptedRegistry(answer, tmp_path) as registry:
        assert registry.authority
        (folder_of(registry.address, home) / "ca.crt").write_bytes(registry.authority.read_bytes())
        with RemoteRepository(parse_reference(registry.place), Credentials("me", "word"), HASTY) as remote:
            assert remote.read(BLOB, len(CONTENT)) == CONTENT
