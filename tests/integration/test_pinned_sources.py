"""Sources that may become something else: what is said of them, and that a bento keeps what they were."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from jubako.oci.manifest import MANIFEST, TITLE, Descriptor, Manifest, described, encoded
from jubako.oci.modelpack import CONFIG, WEIGHT
from jubako.oci.reference import parse_reference
from jubako.oci.remote import RemoteRepository
from jubako.oci.upload import push_blob
from jubako.repository.cache import Cache
from jubako.repository.model import Version
from jubako.repository.progress import Silent
from jubako.repository.source import parse_source
from jubako.repository.sources import fetch_weights, pinned_source
from jubako.repository.sources.endpoints import Endpoints
from tests.integration.weight_server import ServedFile, WeightServer
from tests.integration.workshop import TIMES, Workshop
from tests.registry import Registry, needs_registry
from tests.serving import Server

COMMIT = "0123456789" * 4


@dataclass(frozen=True)
class Workplace(Workshop):
    """A model in one version, whose weights are a number in a file ``factor`` of a registry's artifact ``factors:1``."""

    registry: Registry

    @property
    def artifact(self) -> str:
        return f"oci+http://{self.registry.address}/factors"

    def push(self, factor: int) -> str:
        """Have the tag mean this number; returns its source by digest."""
        content = str(factor).encode()
        config, layer = described(b"{}", CONFIG), described(content, WEIGHT)
        titled = Descriptor(media_type=WEIGHT, digest=layer.digest, size=layer.size, annotations={TITLE: "factor"})
        manifest = encoded(Manifest(media_type=MANIFEST, config=config, layers=[titled]))
        with RemoteRepository(parse_reference(self.artifact)) as remote:
            push_blob(remote, config, b"{}")
            push_blob(remote, layer, content)
            remote.put(manifest, MANIFEST, "1")
        return f"{self.artifact}@{described(manifest, MANIFEST).digest}/factor"

    def write(self, **fields: str) -> None:
        version = self.repository / "times" / "1"
        version.mkdir(parents=True, exist_ok=True)
        (self.repository / "times" / "model.yaml").write_text("backend: python\n")
        (version / "model.py").write_text(TIMES)
        (version / "version.yaml").write_text(yaml.safe_dump({"source": f"{self.artifact}:1/factor", **fields}))

    def fetched(self, cache: str, *arguments: str) -> str:
        """What the weights are for whoever has this cache."""
        pulled = self.jubako("pull", "times:1", *arguments, JUBAKO_CACHE_DIR=str(self.folder / cache)).stdout
        return Path(pulled.split()[-1]).read_text()


@pytest.fixture
def workplace(tmp_path: Path) -> Iterator[Workplace]:
    with Registry(tmp_path / "registry") as registry:
        workplace = Workplace(tmp_path, registry)
        workplace.write()
        yield workplace


def in_bento(bento: Path) -> dict[str, Any]:
    """version.yaml of the model."""
    found: dict[str, Any] = yaml.safe_load((bento / "src/model_repository/times/1/version.yaml").read_text())
    return found


@needs_registry
def test_check_says_what_a_tag_means_once_it_is_known(workplace: Workplace) -> None:
    pinned = workplace.push(10)
    warning = (
        "models/times/1/version.yaml:1: warning: `source` names the tag '1', which may move: whoever fetches it then gets other"
    )
    unknown = workplace.jubako("check").stdout
    assert unknown.startswith(warning)
    assert f"Name its digest, as in {workplace.artifact}@sha256:...; `jubako pull times:1` finds it out" in unknown
    assert "1 warning; `jubako check` shows them." in workplace.jubako("ls").stderr

    assert f"{workplace.artifact}:1/factor is {pinned} now." in workplace.jubako("pull", "times").stderr
    known = workplace.jubako("check").stdout
    assert known.startswith(warning)
    assert f"Here it is {pinned} now; write that." in known
    [listed] = json.loads(workplace.jubako("ls", "--json").stdout)["models"]
    assert (listed["source"], listed["pinned_source"]) == (f"{workplace.artifact}:1/factor", pinned)


@needs_registry
def test_what_a_tag_meant_is_in_the_cache_by_its_digest_too(workplace: Workplace) -> None:
    pinned = workplace.push(10)
    workplace.jubako("pull", "times")
    workplace.write(source=pinned)
    before = workplace.registry.downloaded
    assert workplace.fetched("cache") == "10"
    assert workplace.registry.downloaded == before
    assert workplace.jubako("check").stdout == ""


@needs_registry
def test_a_digest_of_the_weights_pins_too(workplace: Workplace) -> None:
    workplace.write(sha256=hashlib.sha256(b"10").hexdigest())
    assert workplace.jubako("check").stdout == ""


@needs_registry
def test_a_bento_fetches_what_the_tag_meant_when_it_was_built(workplace: Workplace) -> None:
    pinned = workplace.push(10)
    tag = workplace.jubako("build", "times", "--weights", "source").stdout.strip()
    bento = workplace.place(tag)
    assert in_bento(bento) == {"source": pinned, "sha256": hashlib.sha256(b"10").hexdigest()}
    assert yaml.safe_load((bento / "bento.yaml").read_text())["labels"]["source.times.1"] == pinned
    assert f"| source of times:1 | `{pinned}` |" in (bento / "README.md").read_text()

    workplace.push(20)
    assert workplace.fetched("of-another-machine") == "20"
    entries = str(bento / "src" / "model_repository")
    assert workplace.fetched("of-a-third", "--repository", entries) == "10"
    # Whoever has looked the tag up builds what it meant then.
    again = workplace.jubako("build", "times", "--weights", "source").stdout.strip()
    assert in_bento(workplace.place(again)) == in_bento(bento)


@needs_registry
def test_a_bento_with_mounted_weights_says_which_they_are(workplace: Workplace) -> None:
    pinned = workplace.push(10)
    tag = workplace.jubako("build", "times", "--weights", "mounted").stdout.strip()
    bento = workplace.place(tag)
    assert in_bento(bento) == {"source": "file:/mnt/models/factor", "sha256": hashlib.sha256(b"10").hexdigest()}
    assert yaml.safe_load((bento / "bento.yaml").read_text())["labels"]["source.times.1"] == pinned
    assert f"| source of times:1 | `{pinned}` |" in (bento / "README.md").read_text()


@needs_registry
def test_a_tag_is_asked_for_at_a_build_if_nobody_has_yet(workplace: Workplace) -> None:
    """Weights that another source has brought are served without asking. Which digest has them, only the registry knows."""
    pinned = workplace.push(10)
    with WeightServer() as server:
        server.files["/factor"] = ServedFile(b"10")
        workplace.write(source=f"{server.url}/factor")
        assert workplace.fetched("cache") == "10"
    workplace.write(sha256=hashlib.sha256(b"10").hexdigest())
    before = workplace.registry.downloaded
    assert workplace.fetched("cache") == "10"
    assert workplace.registry.downloaded == before
    tag = workplace.jubako("build", "times", "--weights", "source").stdout.strip()
    assert in_bento(workplace.place(tag))["source"] == pinned


@needs_registry
def test_a_server_says_what_a_tag_meant_and_needs_no_registry_for_it(tmp_path: Path) -> None:
    with Registry(tmp_path / "registry") as registry:
        workplace = Workplace(tmp_path, registry)
        workplace.write()
        pinned = workplace.push(10)
        assert workplace.fetched("cache") == "10"
        workplace.push(20)
    said = f"times:1: the weights are {pinned}, which {workplace.artifact}:1/factor names here"
    with Server(workplace.repository, tmp_path / "log", {"JUBAKO_CACHE_DIR": str(tmp_path / "cache")}) as server:
        assert answer(server) == [10, 20]
        server.wait_until(lambda: said in server.log.read_text())


def answer(server: Server) -> list[int]:
    tensor = {"name": "a", "datatype": "INT64", "shape": [2], "data": [1, 2]}
    answered = httpx.post(f"{server.url}/v2/models/times/infer", json={"inputs": [tensor]}, timeout=60)
    assert answered.status_code == 200, answered.text
    found: list[int] = answered.json()["outputs"][0]["data"]
    return found


def test_a_branch_is_known_by_its_commit(tmp_path: Path) -> None:
    def version(source: str) -> Version:
        return Version(model_name="m", number=1, folder=Path(), source=parse_source(source), sha256=None, engine={})

    branch, cache = version("hf://org/name@main/w"), Cache(tmp_path / "cache")
    with WeightServer() as server:
        listing = [{"type": "file", "path": "w", "size": 2}]
        server.files["/api/models/org/name/revision/main"] = ServedFile(json.dumps({"sha": COMMIT}).encode())
        server.files[f"/api/models/org/name/tree/{COMMIT}?recursive=true"] = ServedFile(json.dumps(listing).encode())
        server.files[f"/org/name/resolve/{COMMIT}/w"] = ServedFile(b"10")
        assert pinned_source(branch, cache) is None
        fetch_weights(branch, cache, Silent(), endpoints=Endpoints(hugging_face=server.url))
    pinned = pinned_source(branch, cache)
    assert pinned == f"hf://org/name@{COMMIT}/w"
    fetched = fetch_weights(version(pinned), cache, Silent(), endpoints=Endpoints(hugging_face="http://127.0.0.1:1"))
    assert fetched is not None
    assert fetched.read_bytes() == b"10"
