"""What a bento holds of the repository, and how it is written into it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from jubako.backends.declarations import BACKENDS
from jubako.errors import ConfigurationError
from jubako.packaging.entries import parts_of, write_entry
from jubako.packaging.weights import MOUNT, WeightsMode, source_in_bento, weights_of
from jubako.repository.cache import Cache
from jubako.repository.progress import Silent
from jubako.repository.repository import Repository, read_repository

CODE = "class Model:\n    def infer(self, a):\n        return a\n"


def written(root: Path, files: dict[str, str]) -> Repository:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return read_repository(root, BACKENDS)


def chat(**fields: Any) -> str:
    return yaml.safe_dump({"backend": "llama_cpp"} | fields)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """A chat model with two versions and aliases, Python code that needs another model, and one that nobody needs."""
    return written(
        tmp_path / "models",
        {
            "chat/model.yaml": chat(aliases={"stable": 1, "next": 2}, versions="all", environment={"packages": ["x"]}),
            "chat/1/one.gguf": "first",
            "chat/2/two.gguf": "second",
            "chat/README.md": "A model.",
            "chat/.hidden": "",
            "asker/model.yaml": "backend: python\nneeds: [chat]\n",
            "asker/1/model.py": CODE,
            "asker/1/words.txt": "a",
            "asker/1/__pycache__/model.pyc": "",
            "alone/model.yaml": "backend: python\n",
            "alone/1/model.py": CODE,
        },
    )


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_it_holds_what_the_model_needs_and_nothing_else(repository: Repository, tmp_path: Path) -> None:
    parts = parts_of(repository, repository.models["asker"].latest)
    assert [(part.model.name, part.wanted) for part in parts] == [("asker", True), ("chat", False)]
    assert [version.number for version in parts[1].versions] == [1, 2]
    for part in parts:
        write_entry(part, {}, tmp_path / "bento")
    assert names(tmp_path / "bento" / "asker") == {"model.yaml", "1/model.py", "1/words.txt"}
    assert names(tmp_path / "bento" / "chat") == {"model.yaml", "README.md", "1/one.gguf", "2/two.gguf"}


def test_of_the_model_itself_it_holds_one_version(repository: Repository, tmp_path: Path) -> None:
    model = repository.models["chat"]
    [part] = parts_of(repository, model.versions[0])
    weights = weights_of(model.versions[0], Cache(tmp_path / "cache"), Silent())
    write_entry(part, {1: (weights, f"bentoml://{weights.tag}/weights/one.gguf")}, tmp_path / "bento")
    found = read_repository(tmp_path / "bento", BACKENDS)
    assert not found.problems
    bento = found.models["chat"]
    assert [version.number for version in bento.served_versions] == [1]
    assert bento.aliases == {"stable": 1}
    assert bento.config.environment is None
    [version] = bento.versions
    assert str(version.source) == f"bentoml://{weights.tag}/weights/one.gguf"
    assert version.sha256 == weights.files[0].sha256
    assert names(tmp_path / "bento" / "chat") == {"model.yaml", "README.md", "1/version.yaml"}


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("baked", "bentoml://chat:1-{digest}/weights/one.gguf"),
        ("mounted", f"file:{MOUNT}/one.gguf"),
        ("artifact", "oci://registry.example.org/chat@sha256:" + "0" * 64),
    ],
)
def test_its_source_is_where_the_weights_will_be(
    repository: Repository, tmp_path: Path, mode: WeightsMode, expected: str
) -> None:
    weights = weights_of(repository.models["chat"].versions[0], Cache(tmp_path / "cache"), Silent())
    artifact = "oci://registry.example.org/chat@sha256:" + "0" * 64
    assert source_in_bento(weights, mode, artifact=artifact, alone=True) == expected.format(digest=weights.digest[:12])


def test_several_models_have_folders_of_their_own_where_they_are_mounted(repository: Repository, tmp_path: Path) -> None:
    weights = weights_of(repository.models["chat"].versions[1], Cache(tmp_path / "cache"), Silent())
    assert source_in_bento(weights, "mounted", artifact=None, alone=False) == f"file:{MOUNT}/chat/2/two.gguf"


@pytest.mark.parametrize(
    ("mode", "artifact", "message"),
    [
        ("source", None, "are on this machine only"),
        ("artifact", None, "Say which artifact has the weights of chat:1"),
        ("artifact", "oci://registry.example.org/chat:1", "names no artifact by its digest"),
    ],
)
def test_what_is_not_possible_is_said(
    repository: Repository, tmp_path: Path, mode: WeightsMode, artifact: str | None, message: str
) -> None:
    weights = weights_of(repository.models["chat"].versions[0], Cache(tmp_path / "cache"), Silent())
    with pytest.raises(ConfigurationError, match=message):
        source_in_bento(weights, mode, artifact=artifact, alone=True)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"environment": "llama_cpp-cpu-0123"}, "which no bento can hold"),
        ({"adapters": {"a": "/usr"}, "backend": "vllm"}, "outside of its entry"),
    ],
)
def test_what_is_of_this_machine_only_is_refused(tmp_path: Path, fields: dict[str, Any], message: str) -> None:
    repository = written(tmp_path / "models", {"chat/model.yaml": chat(**fields), "chat/1/one.gguf": "x"})
    assert not repository.problems
    with pytest.raises(ConfigurationError, match=message):
        parts_of(repository, repository.models["chat"].latest)


def test_what_is_needed_and_broken_is_named(tmp_path: Path) -> None:
    files = {
        "asker/model.yaml": "backend: python\nneeds: [chat]\n",
        "asker/1/model.py": CODE,
        "chat/model.yaml": "backend: nothing\n",
    }
    repository = written(tmp_path / "models", files)
    with pytest.raises(ConfigurationError, match="asker needs chat, which has problems"):
        parts_of(repository, repository.models["asker"].latest)


def test_the_digest_of_weights_is_that_of_their_names_and_contents(tmp_path: Path) -> None:
    def digest(name: str, files: dict[str, str]) -> str:
        repository = written(tmp_path / name, {"chat/model.yaml": chat(), **files})
        return weights_of(repository.models["chat"].latest, Cache(tmp_path / "cache"), Silent()).digest

    one = digest("one", {"chat/1/a.gguf": "x", "chat/1/b.gguf": "y"})
    assert one == digest("two", {"chat/1/a.gguf": "x", "chat/1/b.gguf": "y"})
    assert one != digest("three", {"chat/1/a.gguf": "y", "chat/1/b.gguf": "x"})
    assert one != digest("four", {"chat/1/a.gguf": "x", "chat/1/c.gguf": "y"})
