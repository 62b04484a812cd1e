"""Which entries are loaded when the server starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from jubako.backends.declarations import BACKENDS
from jubako.errors import ConfigurationError
from jubako.repository.repository import Repository, read_repository
from jubako.repository.selection import check_names, entry_named, selected, with_versions
from tests.unit.repository.conftest import Write

STEPS = """
engine:
  steps:
    - {model: needed:1, inputs: {x: x}, outputs: {y: y}}
    - {model: Org/Other, inputs: {x: y}, outputs: {y: z}}
"""


@pytest.fixture
def found(write: Write) -> Repository:
    root = write(
        {
            "first/model.yaml": "backend: echo\n",
            "needed/model.yaml": "backend: echo\nautoload: false\nneeds: [deepest]\n",
            "other/model.yaml": "backend: echo\nautoload: false\nserved_names: [Org/Other, 'tag:2']\n",
            "deepest/model.yaml": "backend: echo\nautoload: false\nneeds: [needed, nobody]\n",
            "graph/model.yaml": f"backend: ensemble\nautoload: false{STEPS}",
            "broken/model.yaml": "backend: ecko\nautoload: false\n",
            **{f"{name}/1/": "" for name in ("first", "needed", "other", "deepest", "graph")},
        }
    )
    return read_repository(root, BACKENDS)


@pytest.mark.parametrize(
    ("load", "entries"),
    [
        ("", {"first"}),
        (" , ", {"first"}),
        ("first", {"first"}),
        ("other", {"other"}),
        ("Org/Other:1, first", {"first", "other"}),
        ("tag:2", {"other"}),
        ("needed", {"needed", "deepest"}),
        ("graph", {"graph", "needed", "deepest", "other"}),
        ("broken", {"broken"}),
        ("*", {"first", "needed", "deepest", "graph", "other", "broken"}),
    ],
)
def test_the_setting_goes_before_the_entries_and_what_is_needed_comes_along(
    load: str, entries: set[str], found: Repository
) -> None:
    check_names(found, load)
    assert selected(found, load) == entries


def test_a_model_knows_what_it_needs(found: Repository) -> None:
    assert found.models["graph"].needs == ("needed:1", "Org/Other")
    assert found.models["deepest"].needs == ("needed", "nobody")
    assert found.models["first"].needs == ()


def test_an_unknown_name_is_refused_with_the_nearest(found: Repository) -> None:
    with pytest.raises(ConfigurationError, match=r"--load names 'frist'.*Did you mean `?first`?"):
        check_names(found, "graph,frist")
    assert selected(found, "frist,first") == {"first"}


def test_an_empty_repository_has_nothing_to_load(tmp_path: Path) -> None:
    assert selected(read_repository(tmp_path, BACKENDS), "*") == set()
    with pytest.raises(ConfigurationError, match="'a'"):
        check_names(read_repository(tmp_path, BACKENDS), "a")


def test_a_number_behind_a_name_is_a_version_unless_the_name_has_it() -> None:
    names = {"a": "a", "n:2": "b"}
    assert [entry_named(name, names) for name in ("a", "a:3", "n:2", "n:2:1", "n:3", "a:b", "")] == [
        "a", "a", "b", "b", None, None, None,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("load", "numbers", "aliases"),
    [
        ("", (1, 3), {"stable": 1}),
        ("chat", (1, 3), {"stable": 1}),
        ("chat:2", (2,), {}),
        ("org/chat:1, chat:2", (1, 2), {"stable": 1}),
        ("tag:2", (1, 3), {"stable": 1}),
    ],
)
def test_a_version_that_is_named_by_number_is_served_whatever_the_entry_says(
    write: Write, load: str, numbers: tuple[int, ...], aliases: dict[str, int]
) -> None:
    names = "served_names: [org/chat, 'tag:2']\naliases: {stable: 1}\n"
    root = write({"chat/model.yaml": f"backend: echo\n{names}", **{f"chat/{number}/": "" for number in (1, 2, 3)}})
    repository = read_repository(root, BACKENDS)
    check_names(repository, load)
    model = with_versions(repository.models["chat"], load)
    assert tuple(version.number for version in model.served_versions) == numbers
    assert model.aliases == aliases


def test_a_version_that_is_not_there_is_refused(found: Repository) -> None:
    with pytest.raises(ConfigurationError, match=r"--load names version 7 of first, which has: 1\."):
        check_names(found, "first:7")
