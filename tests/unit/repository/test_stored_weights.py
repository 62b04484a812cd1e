"""``bentoml://``: weights from a model of BentoML's store."""

from __future__ import annotations

from pathlib import Path

import pytest

from jubako.backends.declarations import BACKENDS
from jubako.errors import ConfigurationError
from jubako.repository.cache import Cache
from jubako.repository.model import Version
from jubako.repository.progress import Silent
from jubako.repository.repository import read_repository
from jubako.repository.sources import cached_weights, fetch_weights


@pytest.fixture
def version(tmp_path: Path) -> Version:
    """Version 1 of a model whose weights are a file of a stored model."""
    entry = tmp_path / "models" / "chat"
    (entry / "1").mkdir(parents=True)
    (entry / "model.yaml").write_text("backend: llama_cpp\n")
    (entry / "1" / "version.yaml").write_text("source: bentoml://chat:1-abc/weights/m.gguf\n")
    return read_repository(tmp_path / "models", BACKENDS).models["chat"].latest


def store(home: Path, content: str) -> Path:
    """Put a model into the store of BentoML's folder `home`."""
    file = home / "models" / "chat" / "1-abc" / "weights" / "m.gguf"
    file.parent.mkdir(parents=True)
    file.write_text(content)
    return file


def test_they_are_taken_where_they_lie(version: Version, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "home"))
    file = store(tmp_path / "home", "weights")
    cache = Cache(tmp_path / "cache")
    assert fetch_weights(version, cache, Silent()) == file
    assert cached_weights(version, cache) == len("weights")


def test_a_container_has_those_of_its_bento(version: Version, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("BENTO_PATH", str(tmp_path / "bento"))
    store(tmp_path / "home", "of the user")
    file = store(tmp_path / "bento", "of the bento")
    assert fetch_weights(version, Cache(tmp_path / "cache"), Silent()) == file


def test_where_they_are_not_the_sentence_says_where_they_should_be(
    version: Version, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "home"))
    with pytest.raises(ConfigurationError, match=r"There are no weights at .*/home/models/chat/1-abc/weights/m\.gguf"):
        fetch_weights(version, Cache(tmp_path / "cache"), Silent())
    assert cached_weights(version, Cache(tmp_path / "cache")) is None
