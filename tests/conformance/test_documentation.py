"""The README, the pages of docs/ and the examples' are true: what they show is run on the real server, and links lead somewhere.

What becomes of a fenced block is decided by its language:

==================  ==========================================================================================================
bash                run by bash, command by command judged by :data:`COMMANDS`
python              run by Python; one whose first line names a file of a model repository is also written there
yaml                a file of a model repository, which its first line names; those of a page make a repository without a problem
toml                a settings file
json                the answer of the bash block before it: the same fields, with values of the same kinds
text, or none       for the eye; nothing is checked
==================  ==========================================================================================================

Any other language is a mistake, and so is a command that :data:`COMMANDS` does not know.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from jubako.backends.declarations import BACKENDS
from jubako.backends.text.grammar import constrain
from jubako.errors import InvalidRequest
from jubako.messages import JsonSchema
from jubako.paths import default_cache
from jubako.repository.repository import read_repository
from jubako.settings import load_settings
from tests.serving import Server
from tests.unit.cli.command import clean_environment

ROOT = Path(__file__).parents[2]
CLIENT = ROOT / "clients" / "python"
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "model_repository").glob("*/README.md")),
    CLIENT / "README.md",
]
SHOWN_ADDRESS = "127.0.0.1:3000"
SHOWN_GRPC_ADDRESS = "127.0.0.1:50051"
PATIENCE_S = 120.0


# --- blocks ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Block:
    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


_FENCE = re.compile(r"^```(?P<language>\S*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks_of(page: Path) -> Iterator[Block]:
    text = page.read_text()
    for found in _FENCE.finditer(text):
        yield Block(page, text.count("\n", 0, found.start()) + 1, found["language"], found["text"])


_NAMED = re.compile(r"# (model_repository/\S+)\n")
"""The first line of a block that is a file of a model repository."""

BLOCKS = [block for page in PAGES for block in blocks_of(page)]


def of(language: str) -> list[Block]:
    found = [block for block in BLOCKS if block.language == language]
    assert found, f"no {language} block is left to check"
    return found


def test_every_block_has_a_language_that_is_checked() -> None:
    unknown = [
        f"{block}: {block.language}"
        for block in BLOCKS
        if block.language not in ("bash", "python", "yaml", "toml", "json", "text", "")
    ]
    assert unknown == []


# --- commands -------------------------------------------------------------------------------------------------------------


def as_it_is(words: list[str]) -> list[str]:
    return words


def only_what_it_would_do(words: list[str]) -> list[str]:
    return ["make", "--dry-run", *words[1:]]


def only_its_settings(words: list[str]) -> list[str]:
    return words if "--show-settings" in words else [*words, "--show-settings"]


def only_its_help(words: list[str]) -> list[str]:
    return [*words, "--help"]


def only_its_help_with_a_registry(words: list[str]) -> list[str]:
    return only_its_help(words) if any(word.startswith("oci://") for word in words) else words


COMMANDS: dict[str, Callable[[list[str]], list[str]]] = {
    "jubako serve": only_its_settings,
    "bentoml": only_its_help,  # tests/integration/test_build.py and test_services.py move and serve bentos
    "jubako build": only_its_help,  # tests/integration/test_build.py builds
    "jubako containerize": only_its_help,  # tests/e2e makes images
    "make": only_what_it_would_do,
    "jubako env create": only_its_help,  # tests/integration/test_environments.py makes environments
    "jubako convert": only_its_help,  # tests/engines/test_conversion.py converts
    "jubako bench": only_its_help,  # tests/unit/cli/test_bench.py measures
    "jubako push": only_its_help,  # tests/integration/test_registry_commands.py pushes and pulls
    "jubako pull": only_its_help_with_a_registry,
    "jubako": as_it_is,
    "curl": as_it_is,
    "echo": as_it_is,
    "source": as_it_is,
    "mkdir": as_it_is,
    ".venv/bin/python -m benchmarks.peers": only_its_help,  # it compares servers that have to be installed first
    ".venv/bin/python -m benchmarks.vllm": only_its_help,  # and these need an environment
    ".venv/bin/python -m benchmarks.continuous_batching": only_its_help,
    ".venv/bin/python -m benchmarks.grpc soak": only_its_help,  # tests/integration/test_streams_that_are_left.py is a short one
    ".venv/bin/python": as_it_is,
}
"""By the words that a command begins with, the longest first: what is run in its place."""

OPERATORS = {"|", "||", "&&", ";"}


def runnable(script: str) -> str:
    """`script` with each command in the form that a test may run.

    Raises:
        KeyError: it has a command of which COMMANDS says nothing.
    """
    return "\n".join(" ".join(_judged(words)) for words in _lines(script))


def _lines(script: str) -> Iterator[list[str]]:
    """The words of each line, quotes and all; a line goes on where a quote is open or a backslash ends it."""
    pending = ""
    for line in script.splitlines():
        pending += line + "\n"
        lexer = shlex.shlex(pending, posix=False, punctuation_chars="|&;")
        lexer.whitespace_split = True
        try:
            words = list(lexer)
        except ValueError:
            continue
        if pending.endswith("\\\n"):
            continue
        pending = ""
        if words:
            yield words
    assert not pending, f"a quote is not closed: {pending}"


def _judged(words: list[str]) -> Iterator[str]:
    command: list[str] = []
    for word in [*words, ";"]:
        if word not in OPERATORS:
            command.append(word)
            continue
        if command:
            rule = next((name for name in COMMANDS if command[: len(name.split())] == name.split()), command[0])
            yield from COMMANDS[rule](command)
        yield word
        command = []


def test_a_command_that_nobody_judged_is_refused() -> None:
    assert (
        runnable("jubako serve x --port 1 # now\nmake serve")
        == "jubako serve x --port 1 --show-settings ;\nmake --dry-run serve ;"
    )
    assert runnable("curl x -d '{\n\"a\": 1}' | echo") == "curl x -d '{\n\"a\": 1}' | echo ;"
    with pytest.raises(KeyError):
        runnable("echo hi && docker run x")


# --- running --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder that looks like the repository's root, with a model repository that may be written to."""
    root = tmp_path / "checkout"
    root.mkdir()
    for path in ROOT.iterdir():
        if not path.name.startswith("."):
            (root / path.name).symlink_to(path)
    (root / "model_repository").unlink()
    shutil.copytree(ROOT / "model_repository", root / "model_repository")
    (root / ".venv").symlink_to(sys.prefix)
    return root


def run(command: list[str], checkout: Path, server: Server) -> str:
    """What `command` prints, as a person who has activated the environment and whose server is `server` would run it."""
    home = checkout.parent / "home"
    home.mkdir()
    environment = clean_environment(
        PATH=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        HOME=str(home),
        XDG_CACHE_HOME=str(home / "cache"),
        JUBAKO_CACHE_DIR=str(default_cache()),
        JUBAKO_PORT=str(server.port),
        BENTOML_DO_NOT_TRACK="true",
        PYTHONPATH=f"{CLIENT / 'src'}{os.pathsep}{ROOT / 'clients' / 'generated' / 'python' / 'src'}",
    )
    ran = subprocess.run(
        command,
        cwd=checkout,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert ran.returncode == 0, f"status {ran.returncode}\n{ran.stdout}\n{ran.stderr}"
    return ran.stdout


def load_models_of(page: Path, server: Server) -> None:
    """What a reader of `page` has loaded by the time that they try what it shows."""
    for block in BLOCKS:
        if block.page == page and block.text.startswith("jubako load "):
            model = block.text.split()[2]
            httpx.post(f"{server.url}/v2/repository/models/{model}/load", timeout=PATIENCE_S).raise_for_status()


def run_bash(block: Block, checkout: Path, server: Server) -> str:
    load_models_of(block.page, server)
    script = runnable(block.text).replace(SHOWN_ADDRESS, f"127.0.0.1:{server.port}")
    return run(["bash", "-euo", "pipefail", "-c", script], checkout, server)


@pytest.mark.parametrize("block", of("bash"), ids=str)
def test_bash(block: Block, checkout: Path, server: Server) -> None:
    assert '{"error"' not in run_bash(block, checkout, server)


def scripts() -> list[Block]:
    return [block for block in of("python") if not _NAMED.match(block.text)]


def model_files() -> list[Block]:
    return [block for block in of("python") if _NAMED.match(block.text)]


@pytest.mark.parametrize("block", model_files(), ids=str)
def test_the_code_of_a_model_is_python(block: Block, checkout: Path, server: Server) -> None:
    run([sys.executable, "-c", block.text], checkout, server)


@pytest.mark.parametrize("block", scripts(), ids=str)
def test_python(block: Block, checkout: Path, server: Server) -> None:
    load_models_of(block.page, server)
    script = block.text.replace(SHOWN_ADDRESS, f"127.0.0.1:{server.port}").replace(
        SHOWN_GRPC_ADDRESS, f"127.0.0.1:{server.grpc_port}"
    )
    assert run([sys.executable, "-c", script], checkout, server).strip()


@pytest.mark.parametrize("block", of("json"), ids=str)
def test_json_is_what_the_command_before_it_answers(block: Block, checkout: Path, server: Server) -> None:
    asked = [before for before in of("bash") if before.page == block.page and before.line < block.line][-1]
    assert shape(json.loads(block.text)) == shape(json.loads(run_bash(asked, checkout, server)))


def shape(value: object) -> object:
    """The fields of a JSON value and the kinds of their values."""
    if isinstance(value, dict):
        return {name: shape(each) for name, each in value.items()}
    if isinstance(value, list):
        return [shape(each) for each in value]
    return type(value).__name__


# --- files ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", sorted({block.page for block in of("yaml")}), ids=lambda page: page.name)
def test_yaml_makes_a_repository_without_a_problem(page: Path, tmp_path: Path) -> None:
    for block in [*of("yaml"), *model_files()]:
        if block.page == page:
            named = _NAMED.match(block.text)
            assert named, f"{block}: the first line must name the file, as in `# model_repository/mine/model.yaml`"
            file = tmp_path / named[1]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.text)
    found = read_repository(tmp_path / "model_repository", BACKENDS)
    assert found.problems == []
    assert found.models


@pytest.mark.parametrize("block", of("toml"), ids=str)
def test_toml_is_a_settings_file(block: Block, tmp_path: Path) -> None:
    file = tmp_path / "jubako.toml"
    file.write_text(block.text)
    assert "file" in load_settings(config=file).origins.values()


# --- JSON Schema ----------------------------------------------------------------------------------------------------------

REFUSED: dict[str, dict[str, Any]] = {
    "uniqueItems": {"type": "array", "uniqueItems": True},
    "contains": {"type": "array", "contains": {"type": "string"}},
    "dependentRequired": {"type": "object", "dependentRequired": {"a": ["b"]}},
    "dependentSchemas": {"type": "object", "dependentSchemas": {"a": {"minProperties": 2}}},
    "unevaluatedItems": {"type": "array", "unevaluatedItems": False},
    "unevaluatedProperties": {"type": "object", "unevaluatedProperties": False},
    "not": {"not": {"type": "string"}},
    "if": {"if": {"type": "string"}},
    "then": {"then": {"minLength": 2}},
    "else": {"else": {"minLength": 2}},
    "propertyNames": {"type": "object", "propertyNames": {"pattern": "a"}},
    "oneOf": {"oneOf": [{"type": "integer"}, {"type": "number"}]},
    "$ref": {"$ref": "https://example.com/schema"},
    "pattern": {"type": "string", "pattern": "(?=a)b"},
    "format": {"type": "string", "format": "nonsense"},
}
INSTEAD: list[dict[str, Any]] = [
    {"anyOf": [{"type": "integer"}, {"type": "number"}]},
    {"oneOf": [{"type": "object", "properties": {"k": {"const": each}}, "required": ["k"]} for each in "ab"]},
    {"type": "object", "patternProperties": {"^a": {"type": "integer"}}, "additionalProperties": False},
    {"$defs": {"a": {"type": "integer"}}, "$ref": "#/$defs/a"},
]


def test_the_keywords_that_are_said_to_be_refused_are() -> None:
    section = (ROOT / "docs" / "openai-api.md").read_text().partition("## JSON Schema")[2].partition("\n## ")[0]
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| ") and not line.startswith("| refused")]
    assert {word for cell in cells for word in re.findall(r"`([^`]+)`", cell)} == set(REFUSED)
    for schema in REFUSED.values():
        with pytest.raises(InvalidRequest):
            constrain(JsonSchema(schema))
    for schema in INSTEAD:
        constrain(JsonSchema(schema))


# --- links ----------------------------------------------------------------------------------------------------------------

_LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")


def headings(page: Path) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    titles = re.findall(r"^#+ (.+)$", _FENCE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-") for title in titles}


def links(page: Path) -> list[str]:
    return [found["target"] for found in _LINK.finditer(_FENCE.sub("", page.read_text())) if "://" not in found["target"]]


@pytest.mark.parametrize("page", [*PAGES, *sorted((ROOT / "docs" / "reference").glob("*.md"))], ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in links(page):
        path, _, anchor = target.partition("#")
        file = (page.parent / path) if path else page
        assert file.exists(), target
        assert not anchor or anchor in headings(file), target


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached: set[Path] = set()
    ahead = [PAGES[0]]
    while ahead:
        page = ahead.pop().resolve()
        if page not in reached and page.suffix == ".md":
            reached.add(page)
            ahead += [page.parent / target.partition("#")[0] for target in links(page) if not target.startswith("#")]
    assert set(PAGES) <= reached
