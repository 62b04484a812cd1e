"""``oci://`` as a source: artifacts and data-only images of a real registry, into a real cache."""

from __future__ import annotations

import gzip
import hashlib
import random
import sys
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from jubako.errors import ConfigurationError
from jubako.oci.credentials import find_credentials
from jubako.oci.manifest import IMAGE_CONFIG, MANIFEST, TITLE, Descriptor, Manifest, described, encoded
from jubako.oci.modelpack import ARTIFACT, CONFIG, FILE_PATH, WEIGHT, WEIGHTS_FILE, WEIGHTS_FOLDER
from jubako.oci.reference import parse_reference
from jubako.oci.remote import RemoteRepository
from jubako.oci.upload import push_blob
from jubako.repository.cache import Cache
from jubako.repository.model import Version
from jubako.repository.progress import Silent
from jubako.repository.source import parse_source
from jubako.repository.sources import cached_weights, fetch_weights
from jubako.web import Patience
from tests.integration.archives import tar
from tests.integration.weight_server import ServedFile, WeightServer
from tests.registry import Registry, needs_registry

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

pytestmark = needs_registry

CONTENT = random.Random(11).randbytes(3_000_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()
HASTY = Patience(attempts=4, first_pause_s=0.01)
TAR, TAR_GZIP = "application/vnd.oci.image.layer.v1.tar", "application/vnd.oci.image.layer.v1.tar+gzip"

Layer = tuple[str, bytes, Mapping[str, str]]
"""Media type, content, annotations."""


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with Registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture
def place(registry: Registry, request: pytest.FixtureRequest) -> str:
    """A repository of the test's own, as a source writes it."""
    return f"oci+http://{registry.address}/{request.node.name.split('[')[0].replace('_', '-')}"


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def push(place: str, layers: list[Layer], config_type: str = CONFIG, annotations: dict[str, str] | None = None) -> str:
    """Push an artifact or image as ``1``; returns its source by digest."""
    reference = parse_reference(place)
    with RemoteRepository(reference, find_credentials(reference), HASTY) as remote:
        config = described(b"{}", config_type)
        push_blob(remote, config, b"{}")
        described_layers = []
        for media_type, content, notes in layers:
            plain = described(content, media_type)
            push_blob(remote, plain, content)
            layer = Descriptor(media_type=media_type, digest=plain.digest, size=plain.size, annotations=dict(notes))
            described_layers.append(layer)
        manifest = Manifest(
            media_type=MANIFEST, artifact_type=ARTIFACT, config=config, layers=described_layers, annotations=annotations or {}
        )
        remote.put(encoded(manifest), MANIFEST, "1")
        return remote.reference.pinned(described(encoded(manifest), MANIFEST).digest).source


def image(place: str, *layers: bytes) -> str:
    return push(place, [(TAR_GZIP if content[:2] == b"\x1f\x8b" else TAR, content, {}) for content in layers], IMAGE_CONFIG)


def file(path: str, content: bytes = CONTENT, annotation: str = FILE_PATH) -> Layer:
    return WEIGHT, content, {annotation: path}


def fetch(source: str, cache: Cache, sha256: str | dict[str, str] | None = None) -> Path:
    version = Version(model_name="m", number=1, folder=Path(), source=parse_source(source), sha256=sha256, engine={})
    path = fetch_weights(version, cache, Silent(), patience=HASTY)
    assert path is not None
    assert cached_weights(version, cache) is not None
    return path


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def kept(cache: Cache) -> list[str]:
    return sorted(blob.name for blob in (cache.root / "blobs").rglob("*") if blob.is_file()) if cache.root.exists() else []


# --- artifacts ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("annotation", [FILE_PATH, TITLE])
def test_an_artifact_by_tag_and_by_digest(place: str, cache: Cache, annotation: str) -> None:
    pinned = push(place, [file("w.gguf", annotation=annotation), file("README.md", b"# A model", annotation)])
    assert files(fetch(pinned, cache)) == {"w.gguf": CONTENT, "README.md": b"# A model"}
    assert files(fetch(f"{place}:1", cache)) == {"w.gguf": CONTENT, "README.md": b"# A model"}
    assert fetch(f"{pinned}/w.gguf", cache, DIGEST).read_bytes() == CONTENT


def test_only_what_is_wanted_travels(registry: Registry, place: str, cache: Cache) -> None:
    pinned = push(place, [file("a/w.gguf"), file("b/small.txt", b"small"), file("b/other.txt", b"other")])
    before = registry.downloaded
    assert fetch(f"{pinned}/b/small.txt", cache, hashlib.sha256(b"small").hexdigest()).read_bytes() == b"small"
    assert files(fetch(f"{pinned}/b", cache)) == {"small.txt": b"small", "other.txt": b"other"}
    assert registry.downloaded - before < 10_000
    with pytest.raises(ConfigurationError, match=r"has no file 'b/smal.txt'\. Did you mean `b/small.txt`"):
        fetch(f"{pinned}/b/smal.txt", cache)


def test_an_artifact_says_which_of_its_files_are_weights(place: str, cache: Cache) -> None:
    entry = file("model.yaml", b"backend: echo")
    one = push(place, [entry, file("1/w.gguf")], annotations={WEIGHTS_FOLDER: "1", WEIGHTS_FILE: "w.gguf"})
    assert (fetch(one, cache, DIGEST).name, fetch(one, cache).read_bytes()) == ("w.gguf", CONTENT)
    layers = [entry, file("1/w.bin"), file("1/sub/c.json", b"{}"), file("1/version.yaml", b"engine: {}")]
    several = push(place, layers, annotations={WEIGHTS_FOLDER: "1"})
    assert files(fetch(several, cache, {"w.bin": DIGEST})) == {"w.bin": CONTENT, "sub/c.json": b"{}"}
    assert sorted(files(fetch(f"{several}/.", cache))) == ["1/sub/c.json", "1/version.yaml", "1/w.bin", "model.yaml"]
    beside = push(place, layers, annotations={WEIGHTS_FOLDER: "1", WEIGHTS_FILE: "w.bin"})
    assert (fetch(beside, cache, DIGEST).name, sorted(files(fetch(beside, cache).parent))) == ("w.bin", ["sub/c.json", "w.bin"])


def test_nothing_travels_that_is_in_the_cache(registry: Registry, place: str, cache: Cache) -> None:
    with WeightServer() as server:
        server.files["/w.gguf"] = ServedFile(CONTENT)
        fetch(f"{server.url}/w.gguf", cache)
    pinned = push(place, [file("same.gguf")])
    before = registry.downloaded
    assert fetch(f"{pinned}/same.gguf", cache).read_bytes() == CONTENT
    assert registry.downloaded - before < 3000
    before = registry.downloaded
    fetch(f"{pinned}/same.gguf", cache)
    assert registry.downloaded == before


def test_a_broken_download_goes_on_where_it_stopped(registry: Registry, place: str, cache: Cache) -> None:
    pinned = push(place, [file("w.gguf")])
    before = registry.downloaded
    registry.proxy.cut("down", 2_000_000)
    assert fetch(f"{pinned}/w.gguf", cache, DIGEST).read_bytes() == CONTENT
    assert registry.downloaded - before < len(CONTENT) + 10_000


def test_a_damaged_blob_is_refused_and_not_kept(registry: Registry, place: str, cache: Cache) -> None:
    content = random.Random(12).randbytes(100_000)
    digest = hashlib.sha256(content).hexdigest()
    pinned = push(place, [file("w.gguf", content)])
    stored = registry.blob(f"sha256:{digest}")
    stored.write_bytes(content[:50_000] + bytes([content[50_000] ^ 1]) + content[50_001:])
    with pytest.raises(
        ConfigurationError, match=rf"w\.gguf from http.*{digest} has the SHA-256 digest .* says {digest}.*was removed"
    ):
        fetch(pinned, cache)
    assert kept(cache) == []
    stored.write_bytes(content)
    assert files(fetch(pinned, cache)) == {"w.gguf": content}


def test_the_digest_of_the_entry_is_compared(place: str, cache: Cache) -> None:
    pinned = push(place, [file("w.gguf")])
    with pytest.raises(
        ConfigurationError, match=rf"w\.gguf in .* has the SHA-256 digest {DIGEST}, but the entry pins {'0' * 64}"
    ):
        fetch(f"{pinned}/w.gguf", cache, "0" * 64)
    with pytest.raises(ConfigurationError, match="pins 'x', which is not among the files"):
        fetch(pinned, cache, {"x": DIGEST})


def test_credentials_stay_with_the_registry(cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with WeightServer() as store:
        elsewhere = {"storage": [{"name": "redirect", "options": {"baseurl": store.url_by_name}}]}
        with Registry(tmp_path / "registry", basic=True, settings={"middleware": elsewhere}) as closed:
            monkeypatch.setenv("REGISTRY_AUTH_FILE", str(closed.auth_file()))
            place = f"oci+http://{closed.address}/m"
            pinned = push(place, [file("w.gguf")])
            store.files[f"/docker/registry/v2/blobs/sha256/{DIGEST[:2]}/{DIGEST}/data"] = ServedFile(CONTENT)
            assert fetch(f"{pinned}/w.gguf", cache).read_bytes() == CONTENT
        assert [seen.headers.get("authorization") for seen in store.seen] == [None]


@pytest.mark.parametrize("path", ["../w.gguf", "/etc/passwd", "a//b", "a/../../b", "a\\b"])
def test_a_path_that_leads_elsewhere_is_refused(place: str, cache: Cache, path: str) -> None:
    pinned = push(place, [file(path, b"x")])
    with pytest.raises(ConfigurationError, match="must be plain and inside the artifact"):
        fetch(pinned, cache)


def test_a_layer_without_a_name_is_refused(place: str, cache: Cache) -> None:
    with pytest.raises(ConfigurationError, match=r"of the type 'application/vnd.cncf.model.weight.v1.raw', and names no file"):
        fetch(push(place, [(WEIGHT, b"x", {})]), cache)


# --- images ------------------------------------------------------------------------------------------------------------------


def test_an_image_with_a_model(place: str, cache: Cache) -> None:
    system = tar(("bin/sh", b"#!"), ("bin/bash", "/bin/sh"), ("etc/passwd", b"root"))
    model = gzip.compress(tar(("models/w.gguf", CONTENT), ("./models/sub/c.json", b"{}")))
    pinned = image(place, system, model)
    assert files(fetch(pinned, cache)) == {"w.gguf": CONTENT, "sub/c.json": b"{}"}
    assert fetch(f"{pinned}/w.gguf", cache, DIGEST).read_bytes() == CONTENT
    assert files(fetch(f"{pinned}/sub", cache)) == {"c.json": b"{}"}


def test_later_layers_change_earlier_ones(place: str, cache: Cache) -> None:
    first = tar(("models/a", b"1"), ("models/b", b"1"), ("models/old/x", b"1"), ("models/old/y", b"1"), ("models/gone/z", b"1"))
    second = tar(("models/a", b"2"), ("models/.wh.b", b""), ("models/old/.wh..wh..opq", b""), ("models/.wh.gone", b""))
    third = tar(("models/old/y", b"3"))
    assert files(fetch(image(place, first, second, third), cache)) == {"a": b"2", "old/y": b"3"}


def test_links_inside_the_image_are_followed(place: str, cache: Cache) -> None:
    hard = tarfile.TarInfo("models/hard.bin")
    hard.type, hard.linkname = tarfile.LNKTYPE, "models/store/x"
    members = tar(
        ("models/store/x", b"content"),
        ("models/v1/w.bin", "../store/x"),
        ("models/abs.bin", "/models/v1/w.bin"),
        ("models/latest", "v1"),
        (hard, b""),
    )
    found = files(fetch(image(place, members), cache))
    assert found == dict.fromkeys(["store/x", "v1/w.bin", "abs.bin", "latest/w.bin", "hard.bin"], b"content")


def test_an_artifact_of_archives(place: str, cache: Cache) -> None:
    weights = tar(("w.safetensors", CONTENT))
    config = gzip.compress(tar(("config.json", b"{}"), ("tokenizer.json", b"[]")))
    layers: list[Layer] = [
        ("application/vnd.cncf.model.weight.v1.tar", weights, {FILE_PATH: "w.safetensors"}),
        ("application/vnd.cncf.model.weight.config.v1.tar+gzip", config, {}),
        file("README.md", b"#"),
    ]
    found = files(fetch(push(place, layers), cache))
    assert found == {"w.safetensors": CONTENT, "config.json": b"{}", "tokenizer.json": b"[]", "README.md": b"#"}


def test_an_artifact_of_oras(place: str, cache: Cache) -> None:
    """It calls files archives, unless it is told of what type they are; folders it packs."""
    folder = gzip.compress(tar(("data/a.txt", b"a"), ("data/b.txt", b"b")))
    layers: list[Layer] = [
        (TAR, CONTENT, {TITLE: "1/w.onnx"}),
        (TAR_GZIP, folder, {TITLE: "data", "io.deis.oras.content.unpack": "true"}),
    ]
    found = files(fetch(push(place, layers, "application/vnd.unknown.config.v1+json"), cache))
    assert found == {"1/w.onnx": CONTENT, "data/a.txt": b"a", "data/b.txt": b"b"}


def device() -> tarfile.TarInfo:
    made = tarfile.TarInfo("models/tty")
    made.type = tarfile.CHRTYPE
    return made


@pytest.mark.parametrize(
    ("archive", "message"),
    [
        (tar(("../../etc/cron.d/x", b"x")), r"has the path '../../etc/cron.d/x', which leads elsewhere"),
        (tar(("models/../../x", b"x")), "which leads elsewhere"),
        (tar(("models/w", "../../../etc/passwd")), "which leads elsewhere"),
        (tar(("models/w", "/etc/passwd")), "'models/w' is a link to 'etc/passwd', which is no file of it"),
        (tar(("models/w", "w")), "'models/w' is a link to 'models/w'"),
        (tar(("models/a", "b"), ("models/b", "a")), "is a link to"),
        (tar(("models/d/w", "../d")), "is a link to 'models/d'"),
        (tar((device(), b"")), "'models/tty', which is neither a plain file, nor a folder or link"),
        (tar(("models/w", CONTENT))[:1_000_000], "is a damaged archive"),
        (gzip.compress(tar(("models/w", CONTENT)))[:1_000_000], "is a damaged archive"),
        (b"\x1f\x8bnot gzip", "is a damaged archive"),
        (b"no archive at all, only text" * 100, "is a damaged archive"),
        (gzip.compress(tar(("models/w", bytes(100_000_000)))), "grows to more than 100 times its size"),
        (tar(("data/w", b"elsewhere")), r"has no files in /models, so there is no model in it"),
    ],
)
def test_an_image_that_is_unsafe_or_damaged_is_refused(place: str, cache: Cache, archive: bytes, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        fetch(image(place, archive), cache)
    assert not (cache.root / "sources").exists()


@pytest.mark.parametrize("media_type", [f"{TAR}+zstd", f"{TAR}.zstd"])
def test_layers_packed_with_zstd(place: str, cache: Cache, media_type: str) -> None:
    archive = tar(("models/w.gguf", CONTENT))
    packed = zstd.compress(archive[:1_000_000]) + zstd.compress(archive[1_000_000:])  # several frames, as podman writes them
    assert files(fetch(push(place, [(media_type, packed, {})], IMAGE_CONFIG), cache)) == {"w.gguf": CONTENT}


@pytest.mark.parametrize(
    ("packed", "message"),
    [
        (zstd.compress(tar(("models/w", CONTENT)))[:1_000_000], "is a damaged archive"),
        (b"\x28\xb5\x2f\xfdnot zstd", "is a damaged archive"),
        (CONTENT, "is a damaged archive"),
        (zstd.compress(tar(("models/w", bytes(100_000_000)))), "grows to more than 100 times its size"),
    ],
)
def test_a_damaged_layer_packed_with_zstd_is_refused(place: str, cache: Cache, packed: bytes, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        fetch(push(place, [(f"{TAR}+zstd", packed, {})], IMAGE_CONFIG), cache)


def test_without_zstd_such_a_layer_is_not_even_fetched(
    registry: Registry, place: str, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jubako.repository.sources.layers.zstd", None)
    pinned = push(place, [(f"{TAR}+zstd", CONTENT, {})], IMAGE_CONFIG)
    before = registry.downloaded
    with pytest.raises(ConfigurationError, match=r"Install the package backports\.zstd"):
        fetch(pinned, cache)
    assert registry.downloaded - before < 10_000


def test_a_header_that_would_fill_the_memory_is_refused(place: str, cache: Cache) -> None:
    huge = tarfile.TarInfo("models/w")
    huge.type, huge.size = tarfile.XHDTYPE, 10_000_000
    packed = huge.tobuf() + bytes(10_000_896)
    with pytest.raises(ConfigurationError, match="a header that is too large"):
        fetch(image(place, packed), cache)
