"""The client of registries with a real registry: what is pushed comes back, is verified, and travels once."""

from __future__ import annotations

import json
import os
import random
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from jubako.errors import ConfigurationError
from jubako.oci.credentials import Credentials, find_credentials
from jubako.oci.manifest import INDEX, MANIFEST, Descriptor, Index, Manifest, Platform, described, digest_of, encoded
from jubako.oci.reference import Reference, parse_reference
from jubako.oci.referrers import attach, referrers
from jubako.oci.remote import RemoteRepository
from jubako.oci.upload import push_blob, send_blob
from jubako.web import NotThere, Patience
from tests.integration.weight_server import ServedFile, WeightServer
from tests.registry import PASSWORD, USER, Registry, needs_registry
from tests.token_server import IDENTITY_TOKEN, TokenServer

pytestmark = needs_registry

CONTENT = random.Random(7).randbytes(3_000_000)
BLOB = described(CONTENT, "application/octet-stream")
HASTY = Patience(attempts=4, first_pause_s=0.01)
Remote = Callable[..., RemoteRepository]


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with Registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture
def remote(registry: Registry, request: pytest.FixtureRequest) -> Iterator[RemoteRepository]:
    """A repository of the test's own."""
    name = request.node.name.split("[")[0].replace("_", "-")
    with RemoteRepository(reference(registry, name), patience=HASTY) as opened:
        yield opened


def reference(registry: Registry, name: str) -> Reference:
    scheme = "oci" if registry.tls else "oci+http"
    return parse_reference(f"{scheme}://{registry.address}/{name}")


def pushed(remote: RemoteRepository, tag: str = "1") -> Descriptor:
    """A manifest whose one layer is CONTENT."""
    config = described(b"{}", "application/vnd.oci.empty.v1+json")
    push_blob(remote, config, b"{}")
    push_blob(remote, BLOB, CONTENT)
    own = {"org.example.of": str(remote)}  # no two repositories share a manifest, so that a test may damage its own
    manifest = Manifest(media_type=MANIFEST, artifact_type="application/x-test", config=config, layers=[BLOB], annotations=own)
    content = encoded(manifest)
    remote.put(content, MANIFEST, tag)
    return described(content, MANIFEST)


def test_what_is_pushed_comes_back(remote: RemoteRepository) -> None:
    descriptor = pushed(remote, "b")
    remote.put(remote.document("b").content, MANIFEST, "a")
    found, manifest = remote.manifest("a")
    assert found == descriptor
    assert remote.manifest(descriptor.digest) == (descriptor, manifest)
    assert remote.read(manifest.layers[0], 5_000_000) == CONTENT
    assert remote.tags() == ["a", "b"]
    with pytest.raises(NotThere, match="does not have the manifest c of"):
        remote.document("c")


def test_a_blob_travels_once(registry: Registry, remote: RemoteRepository) -> None:
    pushed(remote)
    before = registry.uploaded
    pushed(remote, "again")
    assert registry.uploaded - before < 4000


@pytest.mark.parametrize("part", [1_000_000, 700_001, 3_000_000])
def test_a_blob_in_parts(registry: Registry, remote: RemoteRepository, part: int, tmp_path: Path) -> None:
    content = random.Random(part).randbytes(3_000_000)
    file = tmp_path / "blob"
    file.write_bytes(content)
    told: list[int] = []
    blob = described(content, "x/y")
    assert send_blob(remote, blob, file, advance=told.append, part=part)
    assert sum(told) == len(content)
    assert remote.read(blob, 5_000_000) == content


def test_an_empty_blob(remote: RemoteRepository) -> None:
    empty = described(b"", "x/y")
    assert push_blob(remote, empty, b"")
    assert remote.read(empty, 0) == b""


def test_a_blob_is_mounted_from_another_repository(registry: Registry, remote: RemoteRepository) -> None:
    pushed(remote)
    with RemoteRepository(reference(registry, "mounting/other"), patience=HASTY) as other:
        before = registry.uploaded
        assert not send_blob(other, BLOB, CONTENT, mount_from=remote.reference.repository)
        assert registry.uploaded - before < 2000
        assert other.read(BLOB, 5_000_000) == CONTENT


def test_a_blob_that_can_not_be_mounted_is_sent(registry: Registry, remote: RemoteRepository) -> None:
    content = b"never seen before"
    assert send_blob(remote, described(content, "x/y"), content, mount_from="no/such/repository")
    assert remote.has(digest_of(content))


@pytest.mark.parametrize("after", [10, 400_000, 1_200_000, 2_500_000])
def test_an_upload_survives_a_broken_connection(registry: Registry, remote: RemoteRepository, after: int) -> None:
    content = random.Random(after).randbytes(3_000_000)
    blob = described(content, "x/y")
    told: list[int] = []
    registry.proxy.cut("up", after)
    assert send_blob(remote, blob, content, advance=told.append, part=1_000_000)
    assert sum(told) == len(content)
    assert remote.read(blob, 5_000_000) == content


def test_an_upload_goes_on_where_another_process_left_it(registry: Registry, remote: RemoteRepository, tmp_path: Path) -> None:
    content = random.Random(99).randbytes(3_000_000)
    blob = described(content, "x/y")
    note = tmp_path / "note"
    sent = 0

    def stop_in_the_second_part(more: int) -> None:
        nonlocal sent
        if sent == 1_000_000:
            raise KeyboardInterrupt
        sent += more

    with pytest.raises(KeyboardInterrupt):
        send_blob(remote, blob, content, advance=stop_in_the_second_part, note=note, part=1_000_000)
    assert stat.S_IMODE(note.stat().st_mode) == 0o600
    before = registry.uploaded
    with RemoteRepository(remote.reference, patience=HASTY) as another:
        assert send_blob(another, blob, content, note=note, part=1_000_000)
    assert 2_000_000 < registry.uploaded - before < 2_010_000
    assert not note.exists()
    assert remote.read(blob, 5_000_000) == content


def test_an_upload_that_the_registry_has_forgotten_begins_anew(remote: RemoteRepository, tmp_path: Path) -> None:
    note = tmp_path / "note"
    note.write_bytes(msgspec.json.encode(f"{remote.reference.api}/blobs/uploads/00000000-0000-0000-0000-000000000000"))
    content = b"begun anew"
    assert send_blob(remote, described(content, "x/y"), content, note=note)
    assert remote.has(digest_of(content))
    assert not note.exists()


def test_the_registry_refuses_what_is_not_as_described(remote: RemoteRepository) -> None:
    wrong = described(b"something else, just as long", "x/y")
    with pytest.raises(ConfigurationError, match=r"status 400 to an upload of sha256:.*DIGEST_INVALID"):
        push_blob(remote, wrong, b"something ELSE, just as long")


# --- what comes is verified --------------------------------------------------------------------------------------------------


def test_a_damaged_manifest_is_refused(registry: Registry, remote: RemoteRepository) -> None:
    descriptor = pushed(remote)
    stored = registry.blob(descriptor.digest)
    stored.write_bytes(stored.read_bytes().replace(b"application/x-test", b"application/x-tast"))
    with pytest.raises(
        ConfigurationError, match=rf"the manifest {descriptor.digest} .* not {descriptor.digest}.*altered or damaged"
    ):
        remote.document(descriptor.digest)


def test_a_damaged_blob_is_refused(registry: Registry, remote: RemoteRepository) -> None:
    content = b"damaged soon"
    blob = described(content, "x/y")
    push_blob(remote, blob, content)
    registry.blob(blob.digest).write_bytes(b"damaged now!")
    with pytest.raises(ConfigurationError, match=f"the blob {blob.digest} of .*altered or damaged"):
        remote.read(blob, 100)


def test_a_small_blob_that_is_large_is_refused(remote: RemoteRepository) -> None:
    pushed(remote)
    with pytest.raises(ConfigurationError, match="more than 1000 bytes"):
        remote.read(BLOB, 1000)


def test_an_image_for_several_platforms(remote: RemoteRepository) -> None:
    descriptor = pushed(remote)
    other = Descriptor(
        media_type=MANIFEST, digest=descriptor.digest, size=descriptor.size, platform=Platform(architecture="s390x", os="linux")
    )
    remote.put(encoded(Index(media_type=INDEX, manifests=[other])), INDEX, "foreign")
    with pytest.raises(ConfigurationError, match=r"nothing for linux/\w+; it has: linux/s390x"):
        remote.manifest("foreign")
    remote.put(encoded(Index(media_type=INDEX, manifests=[other, descriptor])), INDEX, "any")
    assert remote.manifest("any")[0] == descriptor


# --- referrers ---------------------------------------------------------------------------------------------------------------


def test_what_is_attached_to_a_manifest_is_found(remote: RemoteRepository) -> None:
    subject = pushed(remote)
    assert referrers(remote, subject.digest) == []
    bill = attach(remote, subject, b'{"spdxVersion": "SPDX-2.3"}', "application/spdx+json", title="sbom.spdx.json")
    note = attach(remote, subject, b"hello", "text/plain", artifact_type="application/x-note", annotations={"by": "me"})
    assert attach(remote, subject, b"hello", "text/plain", artifact_type="application/x-note", annotations={"by": "me"}) == note
    assert referrers(remote, subject.digest) == [bill, note]
    assert referrers(remote, subject.digest, "application/x-note") == [note]
    assert note.annotations == {"by": "me"}
    manifest = remote.manifest(bill.digest)[1]
    assert isinstance(manifest.subject, Descriptor)
    assert manifest.subject.digest == subject.digest
    assert remote.read(manifest.layers[0], 1000) == b'{"spdxVersion": "SPDX-2.3"}'


# --- who asks ----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with Registry(tmp_path_factory.mktemp("closed"), basic=True, tls=True) as running:
        yield running


def test_name_and_password_over_tls(closed: Registry, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(closed.authority))
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(closed.auth_file()))
    name = reference(closed, "basic")
    with (
        RemoteRepository(name, patience=HASTY) as stranger,
        pytest.raises(ConfigurationError, match="There are no credentials for 127"),
    ):
        stranger.has(BLOB.digest)
    wrong = Credentials(USER, "wrong", origin="a test")
    with RemoteRepository(name, wrong, HASTY) as intruder, pytest.raises(ConfigurationError) as refused:
        intruder.document("1")
    assert f"The credentials of '{USER}' from a test are not enough" in refused.value.message
    assert "wrong" not in refused.value.message
    with RemoteRepository(name, find_credentials(name), HASTY) as user:
        pushed(user)
        assert user.tags() == ["1"]


def test_tls_is_not_given_up(registry: Registry) -> None:
    name = parse_reference(f"{registry.address}/x")
    with (
        RemoteRepository(name, patience=HASTY) as remote,
        pytest.raises(ConfigurationError, match=r"does not speak TLS.*oci\+http://"),
    ):
        remote.document("1")


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TokenServer]:
    with TokenServer(tmp_path_factory.mktemp("tokens")) as running:
        yield running


@pytest.fixture(scope="module")
def guarded(tokens: TokenServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry that wants tokens."""
    with Registry(tmp_path_factory.mktemp("guarded"), settings=tokens.settings) as running:
        yield running


@pytest.mark.parametrize("credentials", [Credentials(USER, PASSWORD), Credentials("", "", IDENTITY_TOKEN)])
def test_bearer_tokens(guarded: Registry, tokens: TokenServer, credentials: Credentials) -> None:
    with RemoteRepository(reference(guarded, "team/model"), credentials, HASTY) as user:
        tokens.seen.clear()
        descriptor = pushed(user)
        assert user.manifest("1")[0] == descriptor
    assert {scope for _, scopes in tokens.seen for scope in scopes} >= {"repository:team/model:pull"}
    assert len(tokens.seen) <= 3  # one to look, one to write; not one a request


def test_a_mount_asks_for_both_repositories(guarded: Registry, tokens: TokenServer) -> None:
    for name in ("team/from", "team/to"):
        with RemoteRepository(reference(guarded, name), Credentials(USER, PASSWORD), HASTY) as user:
            if name == "team/from":
                push_blob(user, BLOB, CONTENT)
            else:
                tokens.seen.clear()
                assert not send_blob(user, BLOB, CONTENT, mount_from="team/from")
    # The registry names the actions in any order.
    asked = {scope.rpartition(":")[::2] for _, scopes in tokens.seen for scope in scopes}
    assert {(name, *sorted(actions.split(","))) for name, actions in asked} == {
        ("repository:team/from", "pull"),
        ("repository:team/to", "pull", "push"),
    }


def test_strangers_may_pull_where_the_realm_lets_them(guarded: Registry, tokens: TokenServer) -> None:
    name = reference(guarded, "open/model")
    with RemoteRepository(name, Credentials(USER, PASSWORD), HASTY) as user:
        descriptor = pushed(user)
    with RemoteRepository(name, patience=HASTY) as stranger:
        with pytest.raises(ConfigurationError, match=r"gives no token for .*There are no credentials"):
            stranger.document("1")
        tokens.anonymous = True
        try:
            assert stranger.document("1").descriptor == descriptor
            with pytest.raises(ConfigurationError, match=r"status 401 to an upload.*There are no credentials"):
                push_blob(stranger, described(b"x", "x/y"), b"x")
        finally:
            tokens.anonymous = False


def test_a_token_that_runs_out_is_renewed_in_the_middle_of_an_upload(guarded: Registry, tokens: TokenServer) -> None:
    content = random.Random(5).randbytes(2_000_000)
    blob = described(content, "x/y")
    tokens.lifetime_s = -100
    expired = tokens.token(USER, ["repository:late:pull,push"], {"pull", "push"})
    tokens.lifetime_s = 300
    with RemoteRepository(reference(guarded, "late"), Credentials(USER, PASSWORD), HASTY) as user:
        told: list[int] = []

        def spoil(more: int) -> None:
            if sum(told) < 1_000_000 <= sum(told) + more:
                user.auth._header = f"Bearer {expired}"
            told.append(more)

        assert send_blob(user, blob, content, advance=spoil, part=1_000_000)
        assert sum(told) == len(content)
        assert user.read(blob, 5_000_000) == content


# --- redirects ---------------------------------------------------------------------------------------------------------------


def test_credentials_stay_behind_where_a_blob_is_redirected(tmp_path: Path) -> None:
    with WeightServer() as store:
        elsewhere = {"storage": [{"name": "redirect", "options": {"baseurl": store.url_by_name}}]}
        registry = Registry(tmp_path, basic=True, settings={"middleware": elsewhere})
        with registry, RemoteRepository(reference(registry, "redirected"), Credentials(USER, PASSWORD), HASTY) as user:
            pushed(user)
            path = f"/docker/registry/v2/blobs/sha256/{BLOB.sha256[:2]}/{BLOB.sha256}/data"
            store.files[path] = ServedFile(CONTENT)
            assert user.read(BLOB, 5_000_000) == CONTENT
        assert len(store.seen) == 1
        assert "authorization" not in store.seen[0].headers


def test_the_helper_program_is_asked(registry: Registry, tmp_path: Path) -> None:
    helper = tmp_path / "docker-credential-box"
    helper.write_text(
        f'#!/bin/sh\nread server\necho "$1 $server" >> {tmp_path}/asked\necho \'{{"Username": "u", "Secret": "s"}}\'\n'
    )
    helper.chmod(0o755)
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"auths": {registry.address: {}}, "credsStore": "box"}))
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "HOME": str(tmp_path), "DOCKER_CONFIG": str(tmp_path)}
    found = find_credentials(reference(registry, "x"), environment)
    assert found
    assert (found.user, found.password, found.origin) == ("u", "s", "docker-credential-box")
    assert (tmp_path / "asked").read_text() == f"get {registry.address}\n"
