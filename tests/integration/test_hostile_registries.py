"""Registries that are broken, busy, or mean it: what they answer ends in a sentence, and harms nothing that is here."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import random
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from jubako.errors import ConfigurationError
from jubako.oci.credentials import Credentials
from jubako.oci.manifest import IMAGE_CONFIG, INDEX, MANIFEST, described
from jubako.oci.modelpack import FILE_PATH, WEIGHT, WEIGHTS_FILE, WEIGHTS_FOLDER
from jubako.oci.reference import parse_reference
from jubako.oci.remote import RemoteRepository
from jubako.oci.upload import push_blob, send_blob
from jubako.repository.cache import Cache
from jubako.repository.progress import Silent
from jubako.repository.source import RegistrySource, parse_source
from jubako.repository.sources import fetch_source
from jubako.web import Patience
from tests.integration.archives import tar
from tests.integration.scripted_registry import Reply, Request, Script, ScriptedRegistry, artifact
from tests.integration.weight_server import ServedFile, WeightServer
from tests.serving import free_port

HASTY = Patience(attempts=3, first_pause_s=0.01)
TAR = "application/vnd.oci.image.layer.v1.tar"
CONTENT = random.Random(31).randbytes(200_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()
BLOB = described(CONTENT, "x/y")
USER = Credentials("me", "pass-word", origin="a test")


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def fetch(script: Script, cache: Cache, file: str = "", pin: str | None = None) -> Path:
    with ScriptedRegistry(script) as registry:
        source = parse_source(f"{registry.place}:1{file}")
        assert isinstance(source, RegistrySource)
        return fetch_source(source, cache, Silent(), pins=pin, patience=HASTY)


def file(path: str, content: bytes = CONTENT) -> tuple[str, bytes, Mapping[str, str]]:
    return WEIGHT, content, {FILE_PATH: path}


@contextmanager
def opened(script: Script, credentials: Credentials | None = None) -> Iterator[tuple[RemoteRepository, ScriptedRegistry]]:
    with ScriptedRegistry(script) as registry, RemoteRepository(parse_reference(registry.place), credentials, HASTY) as remote:
        yield remote, registry


# --- manifests and blobs -----------------------------------------------------------------------------------------------------


def endless() -> Iterator[bytes]:
    return itertools.repeat(bytes(65536))


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (Reply(body=endless(), headers={"content-type": MANIFEST}), "answers with more than 8388608 bytes"),
        (Reply(body=bytes(9_000_000), headers={"content-type": MANIFEST}), "answers with more than 8388608 bytes"),
        (Reply(body=b'{"schemaVersion": 2', headers={"content-type": MANIFEST, "content-length": "500"}), "keeps failing"),
        (Reply(body=b"<html>", headers={"content-type": "text/html"}), "of a type that is not known: 'text/html'"),
        (Reply(body=b"[" * 100_000, headers={"content-type": MANIFEST}), "can't be read"),
        (Reply(302, headers={"location": "/v2/m/manifests/1"}), "can't be asked: Exceeded maximum allowed redirects"),
        (Reply(302, headers={"location": "ftp://127.0.0.1/x"}), "can't be asked: Request URL has an unsupported protocol"),
        (
            Reply(418, b'{"errors":[{"code":"TEA","message":"short\\u001b[31m and stout"}]}'),
            r"status 418 .*\(TEA: short\[31m",
        ),
    ],
)
def test_a_manifest_that_is_none(reply: Reply, message: str) -> None:
    with opened(lambda request: reply) as (remote, _), pytest.raises(ConfigurationError, match=message):
        remote.manifest("1")


@pytest.mark.parametrize("media_type", [MANIFEST, INDEX])
def test_what_may_be_read_in_two_ways_is_refused(media_type: str) -> None:
    config = f'{{"mediaType": "x", "digest": "{BLOB.digest}", "size": 2}}'
    both = f'{{"schemaVersion": 2, "config": {config}, "layers": [], "manifests": [{config}]}}'.encode()
    reply = Reply(body=both, headers={"content-type": media_type})
    with (
        opened(lambda request: reply) as (remote, _),
        pytest.raises(ConfigurationError, match="is both a manifest and an index"),
    ):
        remote.manifest("1")


def test_an_index_of_itself_ends() -> None:
    entry = {"mediaType": INDEX, "digest": f"sha256:{'0' * 64}", "size": 10}
    index = f'{{"schemaVersion": 2, "manifests": [{str(entry).replace(chr(39), chr(34))}]}}'.encode()
    with (
        opened(lambda request: Reply(body=index, headers={"content-type": INDEX})) as (remote, registry),
        pytest.raises(ConfigurationError, match=r"has the digest sha256:.*altered or damaged"),
    ):
        remote.manifest("1")
    assert len(registry.seen) == 2


@pytest.mark.parametrize(
    ("blob", "message"),
    [
        (Reply(body=endless()), r"sent more of .* than it announced"),
        (Reply(body=CONTENT[:-1]), "has 199999 bytes, but its listing says 200000"),
        (Reply(body=CONTENT[:100_000], headers={"content-length": "200000"}), "keeps failing"),
        (Reply(body=CONTENT[:-1] + b"x"), f"but its listing says {DIGEST}"),
        (Reply(206, CONTENT, {"content-range": "bytes 5-200004/200005"}), "keeps failing"),
        (Reply(206, CONTENT[:-1], {"content-range": "bytes 0-199999/\xb2"}), "keeps failing"),
        (Reply(206, CONTENT, {"content-range": f"bytes {'9' * 5000}-/1"}), "Content-Range can't be read"),
        (Reply(401), "answered with status 401"),
    ],
)
def test_a_blob_that_is_none(blob: Reply, message: str, cache: Cache) -> None:
    good = artifact([file("w")])
    with pytest.raises(ConfigurationError, match=message):
        fetch(lambda request: blob if "/blobs/" in request.path else good(request), cache)
    assert not (cache.root / "blobs").exists()


def test_a_wrong_size_does_not_cost_the_blob_that_is_here(cache: Cache) -> None:
    fetch(artifact([file("w")]), cache)
    with pytest.raises(ConfigurationError, match="has 200000 bytes, but its listing says 7"):
        fetch(artifact([file("w")], change=lambda manifest: manifest["layers"][0].update(size=7)), cache)
    assert cache.blob(DIGEST).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (".", "is a file without a name"),
        ("a\x1b[2Jb", "characters that can't be printed"),
        ("a\0b", "characters that can't be printed"),
        ("a" * 256, "is too long"),
        ("a/" * 600 + "a", "is too long"),
    ],
)
def test_a_name_that_no_file_can_have(path: str, message: str, cache: Cache) -> None:
    with pytest.raises(ConfigurationError, match=message):
        fetch(artifact([file(path)]), cache)
    assert not (cache.root / "blobs").exists()


@pytest.mark.parametrize("paths", [("w", "w"), ("a", "a/b"), ("a/b/c", "a")])
def test_files_that_can_not_be_side_by_side(paths: tuple[str, str], cache: Cache) -> None:
    with pytest.raises(ConfigurationError, match="so it can't be told which is meant"):
        fetch(artifact([file(paths[0]), file(paths[1], b"other")]), cache)


def test_files_that_differ_in_capital_letters_are_two(cache: Cache) -> None:
    folder = fetch(artifact([file("W.bin"), file("w.bin", b"other")]), cache)
    assert {path.name: path.stat().st_size for path in folder.iterdir()} == {"W.bin": 200_000, "w.bin": 5}
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o444}


def test_all_files_can_not_be_pinned_by_one_digest(cache: Cache) -> None:
    fetch(artifact([file("w")]), cache)
    with pytest.raises(ConfigurationError, match="The source is a folder"):
        fetch(artifact([file("w")]), cache, "/.", DIGEST)


@pytest.mark.parametrize(
    ("annotations", "message"),
    [
        ({WEIGHTS_FOLDER: "../../etc"}, "must be plain and inside the artifact"),
        ({WEIGHTS_FOLDER: "1", WEIGHTS_FILE: "../w"}, "must be plain and inside the artifact"),
        ({WEIGHTS_FOLDER: "2", WEIGHTS_FILE: "w"}, "has no file '2'"),
        ({WEIGHTS_FOLDER: "1", WEIGHTS_FILE: "v"}, r"has no file '1/v'\. Did you mean `1/w`"),
    ],
)
def test_weights_that_are_not_where_they_should_be(annotations: dict[str, str], message: str, cache: Cache) -> None:
    with pytest.raises(ConfigurationError, match=message):
        fetch(artifact([file("1/w")], change=lambda manifest: manifest.update(annotations=annotations)), cache)


# --- images ------------------------------------------------------------------------------------------------------------------


def image(*archives: bytes) -> Script:
    return artifact([(TAR, archive, {}) for archive in archives], config_type=IMAGE_CONFIG)


def hard_link(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.LNKTYPE, target
    return member, b""


def sparse() -> bytes:
    """A file of a terabyte in three blocks."""
    packed = io.BytesIO()
    fields = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "models/w", "GNU.sparse.realsize": str(10**9)}
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        member = tarfile.TarInfo("models/w")
        member.pax_headers, member.size = fields, 513
        archive.addfile(member, io.BytesIO(b"1\n0\n1\n".ljust(512, b"\0") + b"x"))
    return packed.getvalue()


def links_upon_links(last: tuple[str, bytes], *more: tuple[str, bytes]) -> bytes:
    folders = [(f"models/{n}/{m}", f"../{n - 1}") for n in range(1, 12) for m in range(10)]
    return tar(last, *more, *folders)


@pytest.mark.parametrize(
    ("archive", "message"),
    [
        (sparse(), "is neither a plain file, nor a folder or link"),
        (links_upon_links(("models/0/w", b"x")), "has more than 100000 files by its links"),
        (links_upon_links(("models/0/a/w", b"x"), ("models/0/a/.wh.w", b"")), "has more than 100000 files by its links"),
        (tar(("models/" + "x/" * 600 + "w", b"x")), "is too long"),
        (tar(("models/" + "x" * 256, b"x")), "is too long"),
        (tar(("models/a\x1bb", b"x")), "characters that can't be printed"),
        (tar(("models/a\\b", b"x")), "backslashes"),
    ],
)
def test_an_image_that_would_take_everything(archive: bytes, message: str, cache: Cache) -> None:
    with pytest.raises(ConfigurationError, match=message):
        fetch(image(archive), cache)
    assert sum(blob.stat().st_size for blob in cache.root.rglob("*") if blob.is_file()) < 1_000_000


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([tar(("models/a", b"1")), tar(("models/a/b", b"2"))], {"a/b": b"2"}),
        ([tar(("models/a/b", b"1")), tar(("models/a", b"2"))], {"a": b"2"}),
        ([tar(("models/1/w", b"1"), ("models/new", "1")), tar(("models/new/w", b"2"))], {"1/w": b"1", "new/w": b"2"}),
        ([tar(("models/a", b"1")), tar((".wh.models", b""), ("models/b", b"2"))], {"b": b"2"}),
        ([tar(("models/a", b"1")), tar((".wh..wh..opq", b""), ("models/b", b"2"))], {"b": b"2"}),
        ([tar(("models/a", b"1"), hard_link("models/b", "models/a")), tar(("models/.wh.a", b""))], {"b": b"1"}),
        ([tar(("models/a", b"1"), hard_link("models/b", "models/a")), tar(("models/a", b"2"))], {"a": b"2", "b": b"1"}),
        ([tar(("lib/systemd/system-a\\x2db.slice", b"1"), ("models/a", b"1"))], {"a": b"1"}),
    ],
)
def test_layers_that_change_what_is_a_folder(layers: list[bytes], expected: dict[str, bytes], cache: Cache) -> None:
    folder = fetch(image(*layers), cache)
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert found == expected


# --- addresses ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("http://registry.example.org/", "leads to an address without https://"),
        ("https://[::1", "leads to an address that is none"),
    ],
)
def test_a_redirect_that_is_not_followed(location: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedRegistry(lambda request: Reply(302, headers={"location": location}), tmp_path) as registry:
        monkeypatch.setenv("SSL_CERT_FILE", str(registry.authority))
        with (
            RemoteRepository(parse_reference(registry.place), USER, HASTY) as remote,
            pytest.raises(ConfigurationError, match=message),
        ):
            remote.document("1")


@pytest.mark.parametrize(
    ("link", "message"),
    [
        ('<https://[::1>; rel="next"', "which is no address"),
        ('<http://other.example.org/>; rel="next"', "goes on at another host"),
    ],
)
def test_a_listing_that_leads_elsewhere(link: str, message: str) -> None:
    reply = Reply(body=b'{"tags": ["a"]}', headers={"link": link})
    with opened(lambda request: reply, USER) as (remote, _), pytest.raises(ConfigurationError, match=message):
        remote.tags()


@pytest.mark.parametrize("status", [302, 307, 308])
def test_credentials_do_not_follow_a_redirect(status: int) -> None:
    with WeightServer() as elsewhere:
        elsewhere.files["/w"] = ServedFile(CONTENT)

        def answer(request: Request) -> Reply:
            if "authorization" not in request.headers:
                return Reply(401, headers={"www-authenticate": 'Basic realm="x"'})
            return Reply(status, headers={"location": f"{elsewhere.url_by_name}/w"})

        with opened(answer, USER) as (remote, registry):
            assert remote.read(BLOB, 1_000_000) == CONTENT
        assert [seen.headers.get("authorization") for seen in registry.seen] == [None, "Basic bWU6cGFzcy13b3Jk"]
        assert [seen.headers.get("authorization") for seen in elsewhere.seen] == [None]


def test_credentials_are_refused_where_tokens_lead_elsewhere() -> None:
    with WeightServer() as elsewhere:
        elsewhere.files["/token"] = ServedFile(b'{"token": "t"}')

        def answer(request: Request) -> Reply:
            if request.path.startswith("/token"):
                return Reply(307, headers={"location": f"{elsewhere.url_by_name}/token"})
            realm = f"http://{request.headers['host']}/token"
            return Reply(401, headers={"www-authenticate": f'Bearer realm="{realm}"'})

        with opened(answer, USER) as (remote, _), pytest.raises(ConfigurationError, match="leads elsewhere, where credentials"):
            remote.document("1")
        assert not elsewhere.seen


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "SSL_CERT_FILE",
            "/there/is/none.pem",
            "none.pem, which the environment names, can't be read",
        ),
        ("SSL_CERT_FILE", __file__, r"The certificates of .*test_hostile_registries\.py"),
        ("ALL_PROXY", "ftp://127.0.0.1", "A proxy that the environment names can't be used"),
    ],
)
def test_an_environment_that_leads_nowhere(name: str, value: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=message):
        RemoteRepository(parse_reference("registry.example.org/m"))


def wanting_tokens(realm: str, token: str = "") -> Script:
    """A registry with tokens of `realm`; its own server of them gives `token`."""

    def answer(request: Request) -> Reply:
        if request.path.startswith("/token"):
            return Reply(body=json.dumps({"token": token}).encode())
        named = realm.format(host=request.headers["host"])
        return Reply(401, headers={"www-authenticate": f'Bearer realm="{named}"'})

    return answer


@pytest.mark.parametrize("token", ["", "h\u00e4", "a b", "a\r\nhost: b"])
def test_a_token_that_is_none(token: str) -> None:
    with (
        opened(wanting_tokens("http://{host}/token", token), USER) as (remote, _),
        pytest.raises(ConfigurationError, match="/token did not answer with a token"),
    ):
        remote.document("1")


def test_a_server_of_tokens_that_is_not_there() -> None:
    realm = f"http://127.0.0.1:{free_port()}/token"
    with opened(wanting_tokens(realm), USER) as (remote, _), pytest.raises(ConfigurationError) as raised:
        remote.document("1")
    assert f"its server of tokens, {realm}, can't be reached" in raised.value.message


# --- busy registries ---------------------------------------------------------------------------------------------------------


def test_a_registry_says_when_to_come_back() -> None:
    replies = iter([Reply(429, headers={"retry-after": "1"}), Reply(503, headers={"retry-after": "soon"}), Reply()])
    with opened(lambda request: next(replies)) as (remote, _):
        pauses: list[float] = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("jubako.web.time.sleep", pauses.append)
            assert remote.has(BLOB.digest)
    assert pauses[0] == 1.0
    assert pauses[1] < 0.1


def test_a_registry_that_wants_to_be_left_alone_for_long() -> None:
    busy = Reply(429, b'{"errors":[{"code":"TOOMANYREQUESTS"}]}', {"retry-after": "3600"})
    with opened(lambda request: busy) as (remote, registry):
        with pytest.raises(ConfigurationError, match=r"TOOMANYREQUESTS.*left alone for 3600 seconds"):
            remote.document("1")
        assert len(registry.seen) == 1


# --- uploads -----------------------------------------------------------------------------------------------------------------


def uploads(location: Callable[[Request], str], stored: dict[str, bytes], patch: int = 202) -> Script:
    """A registry that takes uploads at `location`, and answers a part with `patch`."""

    def answer(request: Request) -> Reply:
        if request.method == "HEAD":
            return Reply(404)
        if request.method == "POST":
            return Reply(202, headers={"location": location(request)})
        if request.method == "PATCH":
            return Reply(patch, headers={"location": location(request)})
        if request.method == "PUT":
            stored[request.path] = request.body
            return Reply(201)
        return Reply(404)

    return answer


@pytest.mark.parametrize("status", [400, 405, 416, 501])
def test_a_registry_that_takes_no_parts_gets_the_whole(status: int) -> None:
    stored: dict[str, bytes] = {}
    told: list[int] = []
    with opened(uploads(lambda request: "/v2/m/blobs/uploads/1", stored, status)) as (remote, registry):
        from_parts = push_in_parts(remote, told)
    assert from_parts
    assert list(stored.values()) == [CONTENT]
    assert sum(told) == len(CONTENT)
    assert [request.method for request in registry.seen].count("PATCH") == 1


@pytest.mark.parametrize("status", [200, 202, 204])
def test_statuses_of_a_push_that_are_not_the_specifications(status: int) -> None:
    def answer(request: Request) -> Reply:
        if request.method == "POST":
            return Reply(202, headers={"location": "/v2/m/blobs/uploads/1"})
        return Reply(404) if request.method == "HEAD" else Reply(status)

    with opened(answer) as (remote, registry):
        assert push_blob(remote, BLOB, CONTENT)
        remote.put(b"{}", MANIFEST, "1")
    assert [request.body for request in registry.seen if request.method == "PUT"] == [CONTENT, b"{}"]


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_blob_that_may_not_be_mounted_is_sent(status: int) -> None:
    stored: dict[str, bytes] = {}
    plain = uploads(lambda request: "/v2/m/blobs/uploads/1", stored)
    with opened(lambda request: Reply(status) if "mount=" in request.path else plain(request)) as (remote, _):
        assert send_blob(remote, BLOB, CONTENT, mount_from="closed")
    assert list(stored.values()) == [CONTENT]


@pytest.mark.parametrize("status", [401, 403, 413])
def test_a_refusal_of_the_user_is_none_of_parts(status: int) -> None:
    stored: dict[str, bytes] = {}
    with (
        opened(uploads(lambda request: "/v2/m/blobs/uploads/1", stored, status)) as (remote, _),
        pytest.raises(ConfigurationError, match=f"status {status} to an upload"),
    ):
        push_in_parts(remote, [])
    assert not stored


def push_in_parts(remote: RemoteRepository, told: list[int]) -> bool:
    return send_blob(remote, BLOB, CONTENT, advance=told.append, part=50_000)


@pytest.mark.parametrize(
    "location",
    [
        lambda request: f"http://{request.headers['host']}/v2/m/blobs/uploads/1?_state=a%2Bb%3D%3D&x",
        lambda request: "/v2/m/blobs/uploads/1?_state=a%2Bb%3D%3D&x",
        lambda request: "1?_state=a%2Bb%3D%3D&x",
    ],
)
def test_forms_of_an_upload_address(location: Callable[[Request], str]) -> None:
    stored: dict[str, bytes] = {}
    with opened(uploads(location, stored), USER) as (remote, _):
        assert push_blob(remote, BLOB, CONTENT)
    [(path, content)] = stored.items()
    assert content == CONTENT
    assert path.startswith("/v2/m/blobs/uploads/1?")
    assert "_state=a%2Bb%3D%3D" in path
    assert f"digest=sha256%3A{DIGEST}" in path


@pytest.mark.parametrize("location", ["", "https://[::1"])
def test_an_upload_without_an_address(location: str) -> None:
    with (
        opened(uploads(lambda request: location, {})) as (remote, _),
        pytest.raises(ConfigurationError, match="names no address for an upload"),
    ):
        push_blob(remote, BLOB, CONTENT)


@pytest.mark.parametrize("last", ["99999999", "\xb2", "9" * 5000])
def test_a_registry_that_claims_more_than_it_was_sent(last: str) -> None:
    stored: dict[str, bytes] = {}
    plain = uploads(lambda request: "/v2/m/blobs/uploads/1", stored)

    def boasting(request: Request) -> Reply:
        reply = plain(request)
        return Reply(202, headers={**reply.headers, "range": f"0-{last}"}) if request.method == "PATCH" else reply

    with opened(boasting) as (remote, registry):
        assert push_in_parts(remote, [])
    assert b"".join(request.body for request in registry.seen if request.method == "PATCH") == CONTENT
