"""Hugging Face folders made of GGUF files, by the real program in its own environment."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import httpx
import pytest

from jubako.conversion import Conversion, converted_weights, converting_interpreter
from jubako.errors import ConfigurationError
from jubako.repository.cache import Cache
from jubako.repository.progress import Silent
from tests.conftest import ServerFactory
from tests.engines.conftest import MakeEnvironment
from tests.unit.cli.command import clean_environment

MINUTES = 600
CUT = Path(__file__).with_name("cut_gguf.py")

Cut = Callable[..., Path]
Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def python(environment: MakeEnvironment) -> str:
    return str(Path(environment("transformers")) / "bin" / "python")


@pytest.fixture(scope="module")
def cut(python: str, smollm2_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Cut:
    """SmolLM2 with its first two layers only, and with an architecture of the test's choice."""

    def make(architecture: str = "llama") -> Path:
        new = tmp_path_factory.mktemp("cut") / "small.gguf"
        subprocess.run([python, CUT, smollm2_file, new, "2", architecture], timeout=MINUTES, check=True)
        return new

    return make


@pytest.fixture(scope="module")
def small(cut: Cut) -> Path:
    return cut()


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """Runs `jubako convert gguf-to-hf` on the repository ``tmp_path/models``."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "-m", "jubako", "convert", "gguf-to-hf", *arguments, "--repository", str(tmp_path / "models")]
        return subprocess.run(words, env=clean_environment(), capture_output=True, text=True, timeout=MINUTES, check=False)

    return run


def write_entry(root: Path, name: str, text: str) -> None:
    (root / name / "1").mkdir(parents=True)
    (root / name / "model.yaml").write_text(text)


@pytest.mark.timeout(MINUTES)
def test_two_entries_share_one_conversion_at_load(python: str, small: Path, make_server: ServerFactory, tmp_path: Path) -> None:
    entry = f"backend: transformers\nenvironment: {python}\nsource: file:{small}\nconvert: gguf-to-hf\n"
    for name in ("one", "two"):
        write_entry(tmp_path / "models", name, entry)
    server = make_server(tmp_path / "models", JUBAKO_CACHE_DIR=str(tmp_path))
    server.start()
    server.wait_until(lambda: "converting" in httpx.get(f"{server.api}/models").text)
    server.wait_until(lambda: httpx.get(f"{server.url}/readyz").status_code == 200, MINUTES)
    folders = list((tmp_path / "converted").iterdir())
    assert [path.name for path in folders] == [f"{sha256(small.read_bytes()).hexdigest()}-bfloat16-1"]
    made_at = (folders[0] / "provenance.json").stat().st_mtime_ns
    for model in ("one", "two"):
        asked = {"model": model, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 4}
        answer = httpx.post(f"{server.api}/chat/completions", json=asked, timeout=60)
        assert answer.status_code == 200, answer.text
        assert answer.json()["usage"]["completion_tokens"] > 0
    httpx.post(f"{server.url}/v2/repository/models/one/load", timeout=MINUTES).raise_for_status()
    assert (folders[0] / "provenance.json").stat().st_mtime_ns == made_at


@pytest.mark.timeout(MINUTES)
def test_two_at_once_make_one_folder_and_a_damaged_one_is_made_again(python: str, small: Path, tmp_path: Path) -> None:
    conversion = Conversion.of(small, "file:small.gguf", "float32", Cache(tmp_path), Silent())
    assert conversion is not None
    told: list[tuple[str, float]] = []

    def convert() -> Path:
        return converted_weights(conversion, tmp_path, lambda: python, lambda doing, share: told.append((doing, share)))

    with ThreadPoolExecutor(2) as pool:
        folders = list(pool.map(lambda _: convert(), range(2)))
    assert folders[0] == folders[1]
    assert [share for _, share in told] == sorted(share for _, share in told), "two of them worked"
    assert told[-1][1] == 1.0
    assert len({doing for doing, _ in told}) == 4

    told.clear()
    assert convert() == folders[0]
    assert not told

    (folders[0] / "model.safetensors").write_bytes(b"")
    convert()
    assert (folders[0] / "model.safetensors").stat().st_size > 0
    assert Conversion.of(folders[0], "", "float32", Cache(tmp_path), Silent()) is None, "it is a Hugging Face folder"


@pytest.mark.timeout(MINUTES)
def test_the_command_makes_an_entry_then_versions_of_it(small: Path, command: Command, python: str, tmp_path: Path) -> None:
    root = tmp_path / "models"
    write_entry(root, "small", f"backend: llama_cpp\ndescription: Cut.\nlicense: Apache-2.0\nsource: file:{small}\n")

    refused = command("small")
    assert refused.returncode == 1
    assert "--into small-hf" in refused.stderr

    assert command("small", "--into", "../else").returncode == 1
    assert not (tmp_path / "else").exists()

    made = command("small", "--into", "small-hf")
    assert made.returncode == 0, made.stderr
    assert "checking the folder" in made.stderr
    folder = root / "small-hf" / "1"
    assert made.stdout == f"small-hf:1  {folder}\n"
    provenance = json.loads((folder / "provenance.json").read_text())
    assert provenance["sha256"] == sha256(small.read_bytes()).hexdigest()
    assert provenance["source"] == f"file:{small}"
    assert provenance["dtype"] == "bfloat16"
    for file in provenance["files"]:
        assert sha256((folder / file["path"]).read_bytes()).hexdigest() == file["sha256"]
    assert {"config.json", "model.safetensors", "tokenizer.json", "chat_template.jinja"} <= {
        file["path"] for file in provenance["files"]
    }

    again = command("small", "--into", "small-hf", "--dtype", "float32")
    assert again.stdout == f"small-hf:2  {root / 'small-hf' / '2'}\n", again.stderr
    assert json.loads((root / "small-hf" / "2" / "config.json").read_text())["dtype"] == "float32"
    assert "already" in command("small", "--into", "small-hf", "--as-version", "2").stderr

    checked = subprocess.run([sys.executable, "-m", "jubako", "check", str(root)], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
    assert sorted(path.name for path in root.iterdir()) == ["small", "small-hf"]


@pytest.mark.timeout(MINUTES)
def test_what_transformers_does_not_know_is_refused_in_a_sentence(cut: Cut, python: str, tmp_path: Path) -> None:
    conversion = Conversion.of(cut("unheard-of"), "file:x", "bfloat16", Cache(tmp_path), Silent())
    assert conversion is not None
    with pytest.raises(ConfigurationError, match=r"transformers 5\.[0-9.]+ can't read small.gguf: .*unheard-of.*not supported"):
        converted_weights(conversion, tmp_path, lambda: python, lambda *_: None)
    assert not list((tmp_path / "converted").iterdir())


def test_what_is_no_gguf_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(b"PK\x03\x04")
    with pytest.raises(ConfigurationError, match="is not a GGUF file"):
        Conversion.of(file, "", "bfloat16", Cache(tmp_path), Silent())
    file.rename(tmp_path / "model.bin")
    with pytest.raises(ConfigurationError, match="needs one file"):
        Conversion.of(tmp_path, "", "bfloat16", Cache(tmp_path), Silent())


def test_a_missing_environment_is_told_with_its_command(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="jubako env create transformers"):
        converting_interpreter("", tmp_path)


def test_what_watches_may_stop_the_work(python: str, small: Path, tmp_path: Path) -> None:
    conversion = Conversion.of(small, "", "bfloat16", Cache(tmp_path), Silent())
    assert conversion is not None

    def stop(doing: str, share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        converted_weights(conversion, tmp_path, lambda: python, stop)
    assert not list((tmp_path / "converted").iterdir())
