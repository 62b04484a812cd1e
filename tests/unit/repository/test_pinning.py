"""Which sources may become something else, and what `jubako check` says of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from jubako.backends.declarations import BACKENDS
from jubako.repository.cache import Cache, Manifest, StoredFile
from jubako.repository.problem import Problem
from jubako.repository.progress import Silent
from jubako.repository.repository import read_repository
from jubako.repository.sources import fetch_weights, pinned_source, unpinned_sources

DIGEST = "ab" * 32
COMMIT = "c0ffee" * 6 + "c0ff"


def warnings(tmp_path: Path, source: str, more: str = "") -> list[Problem]:
    """Those of a model with this source, with what the cache in `tmp_path` knows."""
    entry = tmp_path / "models" / "m"
    (entry / "1").mkdir(parents=True)
    (entry / "model.yaml").write_text(f"backend: llama_cpp\nsource: {source}\n{more}")
    repository = read_repository(tmp_path / "models", BACKENDS)
    assert not repository.problems
    return unpinned_sources(repository, Cache(tmp_path / "cache"))


@pytest.mark.parametrize(
    ("source", "what", "remedy"),
    [
        (
            "oci://host/m:1/w.gguf",
            "the tag '1', which may move",
            "Name its digest, as in oci://host/m@sha256:...; `jubako pull m:1`",
        ),
        ("hf://org/m@main/w.gguf", "the revision 'main'", "Name its commit, as in hf://org/m@COMMIT/w.gguf; `jubako pull m:1`"),
        ("modelscope://org/m@v1/w.gguf", "the revision 'v1'", "Say the digest of what it is to be with `sha256`"),
        ("https://host/w.gguf", "a file that its server may replace", "Say the digest of what it is to be with `sha256`"),
        ("bentoml://m:latest/w.gguf", "the latest version", "Name a version; `bentoml models list m` shows"),
    ],
)
def test_a_source_that_may_become_another(source: str, what: str, remedy: str, tmp_path: Path) -> None:
    [warning] = warnings(tmp_path, source)
    assert (warning.file, warning.line) == (tmp_path / "models" / "m" / "model.yaml", 2)
    assert warning.message.startswith(f"`source` names {what}")
    assert remedy in warning.message


@pytest.mark.parametrize(
    "source",
    [
        f"oci://host/m@sha256:{DIGEST}/w.gguf",
        f"oci://host/m:1@sha256:{DIGEST}",
        f"hf://org/m@{COMMIT}/w.gguf",
        "pypi://package==1.0/w.gguf",
        "bentoml://m:1-abc/w.gguf",
    ],
)
def test_a_source_that_stays_what_it_is(source: str, tmp_path: Path) -> None:
    assert warnings(tmp_path, source) == []


@pytest.mark.parametrize("source", ["oci://host/m:1/w.gguf", "hf://org/m@main/w.gguf", "https://host/w.gguf"])
def test_a_digest_of_the_weights_pins_any(source: str, tmp_path: Path) -> None:
    assert warnings(tmp_path, source, f"sha256: {DIGEST}\n") == []


def test_the_digest_of_a_file_that_is_in_the_cache_is_said(tmp_path: Path) -> None:
    source, cache = "https://host/w.gguf", Cache(tmp_path / "cache")
    cache.blob(DIGEST).parent.mkdir(parents=True)
    cache.blob(DIGEST).write_bytes(b"weights")
    cache.record(Manifest(source, [StoredFile("w.gguf", DIGEST, 7)], "w.gguf"))
    [warning] = warnings(tmp_path, source)
    assert warning.message.endswith(f"Say `sha256: {DIGEST}` too, the digest of what is here now.")


def test_the_latest_of_a_store_is_a_version_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "home"))
    stored = tmp_path / "home" / "models" / "m"
    for version in ("one", "two"):
        (stored / version).mkdir(parents=True)
        (stored / version / "w.gguf").write_text(version)
    (stored / "latest").write_text("two")
    [warning] = warnings(tmp_path, "bentoml://m:latest/w.gguf")
    assert warning.message.endswith("Here it is bentoml://m:two/w.gguf now; write that.")
    latest = read_repository(tmp_path / "models", BACKENDS).models["m"].latest
    assert fetch_weights(latest, Cache(tmp_path / "cache"), Silent()) == stored / "two" / "w.gguf"
    assert pinned_source(latest, Cache(tmp_path / "cache")) == "bentoml://m:two/w.gguf"
