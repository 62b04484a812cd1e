"""Aliases in model.yaml and in the file that a server writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from jubako.backends.declarations import BACKENDS
from jubako.cli.repository import find_version
from jubako.errors import ConfigurationError, Conflict
from jubako.model_names import is_alias, name_of, version_name
from jubako.repository.aliases import keep_alias, read_aliases
from jubako.repository.repository import Model, read_repository
from tests.unit.repository.conftest import Write

THREE = {"m/1/": "", "m/2/": "", "m/10/": ""}


def model_of(root: Path) -> Model:
    return read_repository(root, BACKENDS).models["m"]


@pytest.mark.parametrize(
    ("entry", "kept", "aliases", "served", "named"),
    [
        ("aliases: {stable: 1}", "", {"stable": 1}, [1, 10], [10]),
        ("aliases: {stable: 1, next: 10}", "stable: 2\n", {"stable": 2, "next": 10}, [2, 10], [10]),
        ("aliases: {stable: 1}", "stable: null\n", {}, [10], [10]),
        ("versions: [2]", "canary: 10\n", {"canary": 10}, [2, 10], [2]),
        ("versions: [2]\naliases: {canary: 2}", "# nothing\n", {"canary": 2}, [2], [2]),
    ],
)
def test_what_was_set_goes_before_what_is_declared(
    entry: str, kept: str, aliases: dict[str, int], served: list[int], *, named: list[int], write: Write
) -> None:
    files = {"m/aliases.yaml": kept} if kept else {}
    model = model_of(write({"m/model.yaml": f"backend: echo\n{entry}\n", **THREE, **files}))
    assert model.aliases == aliases
    assert [version.number for version in model.served_versions] == list(model.chosen_numbers) == served
    assert list(model.policy_numbers) == named
    assert model.latest.number == named[-1]


@pytest.mark.parametrize(
    ("file", "text", "line", "message"),
    [
        ("model.yaml", "aliases: {'2': 1}", 2, "`aliases.2` can't be: an alias has at most 128 letters"),
        ("model.yaml", "aliases: {'a@b': 1}", 2, "`aliases.a@b` can't be: an alias has"),
        ("model.yaml", "aliases:\n  stable: 0", 3, "`aliases.stable` must be at least 1; it is 0."),
        ("model.yaml", "aliases: [1]", 2, "`aliases` must be a mapping"),
        ("aliases.yaml", "a:b: 1", 1, "The alias 'a:b' can't be: an alias has"),
        (
            "aliases.yaml",
            "x: 1\nstable: one",
            2,
            "The alias 'stable' must mean a version's number, or null for none",
        ),
        ("aliases.yaml", "stable: true", 1, "The alias 'stable' must mean a version's number"),
        ("aliases.yaml", "[stable]", 1, ""),
    ],
)
def test_what_is_wrong_is_said_with_its_line(file: str, text: str, line: int, message: str, write: Write) -> None:
    files = {"m/model.yaml": "backend: echo\n", f"m/{file}": text if file != "model.yaml" else f"backend: echo\n{text}\n"}
    (problem,) = read_repository(write({**files, **THREE}), BACKENDS).problems
    assert (problem.file.name, problem.line) == (file, line)
    assert problem.message.startswith(message)


def test_an_alias_of_a_version_that_is_not_there_changes_nothing_for_the_others(write: Write) -> None:
    root = write({"m/model.yaml": "backend: echo\naliases: {far: 99}\n", "m/aliases.yaml": "x: 1\nfarther: 100\n", **THREE})
    repository = read_repository(root, BACKENDS)
    model = repository.models["m"]
    assert [version.number for version in model.served_versions] == [1, 10]
    assert model.policy_numbers == (10,), "the highest that there is"
    problems = {number: problems[0] for number, problems in model.broken_versions.items()}
    assert {number: (problem.file.name, problem.line) for number, problem in problems.items()} == {
        99: ("model.yaml", 2),
        100: ("aliases.yaml", 2),
    }
    assert problems[100].message == "The alias 'farther' means version 100, but there is no folder m/100."


def test_the_file_holds_what_differs_from_the_entry(write: Write) -> None:
    folder = write({"m/model.yaml": "backend: echo\naliases: {stable: 1}\n", **THREE}) / "m"
    declared = ["stable"]
    keep_alias(folder, "canary", 10, declared)
    keep_alias(folder, "stable", 2, declared)
    assert read_aliases(folder).numbers == {"canary": 10, "stable": 2}
    keep_alias(folder, "canary", None, declared)
    keep_alias(folder, "stable", None, declared)
    assert read_aliases(folder).numbers == {"stable": None}
    assert model_of(folder.parent).aliases == {}
    assert sorted(path.name for path in folder.iterdir()) == ["1", "10", "2", "aliases.yaml", "model.yaml"]
    (folder / "aliases.yaml").write_text("{")
    with pytest.raises(Conflict, match=r"nothing was changed: .*aliases.yaml:1"):
        keep_alias(folder, "canary", 1, declared)
    assert (folder / "aliases.yaml").read_text() == "{"


def test_versions_by_their_names(write: Write) -> None:
    root = write({"m/model.yaml": "backend: echo\nserved_names: ['n@x', 'a:b']\naliases: {stable: 1}\n", **THREE})
    repository = read_repository(root, BACKENDS)
    for name, number in (("m", 10), ("n@x", 10), ("m@stable", 1), ("n@x@stable", 1), ("a:b:2", 2)):
        assert find_version(repository, name).number == number
    with pytest.raises(ConfigurationError, match=r"m has no alias canary; it has: stable\."):
        find_version(repository, "m@canary")


def test_names_with_a_version() -> None:
    assert [is_alias(name) for name in ("stable", "v1.5", "1a", "007", "", "-a", "a b", "a@b", "a:b", "x" * 129)] == [
        *[True] * 3,
        *[False] * 7,
    ]
    parts = {name: version_name(name) for name in ("m:2", "a:b@stable", "a@b:12", "m", "m:x", "@a", "m@a@b")}
    assert {name: (part.model, part.number, part.alias) for name, part in parts.items() if part} == {
        "m:2": ("m", "2", ""),
        "a:b@stable": ("a:b", "", "stable"),
        "a@b:12": ("a@b", "12", ""),
        "m@a@b": ("m@a", "", "b"),
    }
    assert (name_of("m", "2"), name_of("m", "stable")) == ("m:2", "m@stable")
