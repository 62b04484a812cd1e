"""Which versions an entry serves, and what a bad one does to the others."""

from __future__ import annotations

import pytest

from jubako.backends.declarations import BACKENDS
from jubako.errors import ConfigurationError
from jubako.repository.repository import read_repository
from jubako.repository.source import LocalSource
from tests.unit.repository.conftest import Write

THREE = {"m/1/": "", "m/2/": "", "m/10/": ""}


@pytest.mark.parametrize(
    ("versions", "served"),
    [
        ("", [10]),
        ("versions: latest\n", [10]),
        ("versions: {}\n", [10]),
        ("versions: {latest: 2}\n", [2, 10]),
        ("versions: {latest: 9}\n", [1, 2, 10]),
        ("versions: all\n", [1, 2, 10]),
        ("versions: {all: true}\n", [1, 2, 10]),
        ("versions: [2, 1]\n", [1, 2]),
        ("versions: {specific: [1]}\n", [1]),
    ],
)
def test_the_policy_chooses(versions: str, served: list[int], write: Write) -> None:
    model = read_repository(write({"m/model.yaml": f"backend: echo\n{versions}", **THREE}), BACKENDS).models["m"]
    assert [version.number for version in model.served_versions] == served
    assert list(model.chosen_numbers) == served
    assert model.latest.number == served[-1]
    assert [version.number for version in model.versions] == [1, 2, 10]


@pytest.mark.parametrize(
    ("versions", "message"),
    [
        ("{latest: 2, all: true}", "`versions` must say one of latest, all and specific; it says latest and all."),
        ("{latest: 0}", "`versions.latest` must be at least 1; it is 0."),
        ("{lates: 1}", "There is no field `versions.lates`. Did you mean `latest`?"),
        ("[1, 1]", "`versions.specific` names version 1 twice."),
        ("[]", "`versions.specific` must have at least 1 item(s); it is a list."),
        ("newest", "`versions` must be a mapping of names to values; it is 'newest'."),
    ],
)
def test_a_policy_that_is_none(versions: str, message: str, write: Write) -> None:
    root = write({"m/model.yaml": f"backend: echo\nversions: {versions}\n", **THREE})
    assert [(problem.line, problem.message) for problem in read_repository(root, BACKENDS).problems] == [(2, message)]


def test_a_bad_version_fails_alone(write: Write) -> None:
    root = write(
        {
            "m/model.yaml": "backend: llama_cpp\nversions: all\n",
            "m/1/w.gguf": "",
            "m/2/": "",
            "m/3/w.gguf": "",
            "m/3/version.yaml": "engine:\n  n_ctx: many\n",
        }
    )
    repository = read_repository(root, BACKENDS)
    model = repository.models["m"]
    assert [version.number for version in model.served_versions] == [1]
    assert list(model.chosen_numbers) == [1, 2, 3]
    assert {number: [problem.line for problem in problems] for number, problems in model.broken_versions.items()} == {
        2: [1],
        3: [2],
    }
    assert repository.broken == {}
    assert repository.broken_versions["m"][2][0].message.startswith("Version 2 has no weights")
    assert len(repository.problems) == 2


def test_a_bad_latest_version_is_not_replaced_by_an_older_one(write: Write) -> None:
    root = write({"m/model.yaml": "backend: llama_cpp\n", "m/1/w.gguf": "", "m/2/": ""})
    model = read_repository(root, BACKENDS).models["m"]
    assert model.chosen_numbers == (2,)
    assert model.served_versions == ()
    assert model.latest.number == 1


def test_a_version_that_is_named_and_not_there_fails_alone(write: Write) -> None:
    root = write({"m/model.yaml": "backend: echo\nversions:\n  specific: [1, 7]\n", **THREE})
    repository = read_repository(root, BACKENDS)
    assert [version.number for version in repository.models["m"].served_versions] == [1]
    ((number, (problem,)),) = repository.broken_versions["m"].items()
    assert (number, problem.line) == (7, 2)
    assert problem.message == "`versions` names version 7, but there is no folder m/7."


def test_an_entry_without_a_good_version_is_broken(write: Write) -> None:
    root = write({"m/model.yaml": "backend: llama_cpp\n", "m/1/": "", "m/2/": ""})
    repository = read_repository(root, BACKENDS)
    assert repository.models == {}
    assert len(repository.broken["m"]) == 2
    assert list(repository.broken_versions["m"]) == [1, 2]


def test_a_fault_of_the_entry_breaks_all_its_versions(write: Write) -> None:
    repository = read_repository(write({"m/model.yaml": "backend: echo\nx: 1\n", **THREE}), BACKENDS)
    assert list(repository.broken) == ["m"]
    assert len(repository.problems) == 1


def test_a_wrong_engine_value_leaves_the_version_that_has_its_own(write: Write) -> None:
    root = write(
        {
            "m/model.yaml": "backend: echo\nversions: all\nengine:\n  slots: many\n",
            "m/1/": "",
            "m/2/version.yaml": "engine: {slots: 3}\n",
        }
    )
    repository = read_repository(root, BACKENDS)
    assert [version.number for version in repository.models["m"].served_versions] == [2]
    assert [(problem.file.name, problem.line) for problem in repository.problems] == [("model.yaml", 4)]


def test_without_weights_there_need_be_no_folder(write: Write) -> None:
    root = write({"m/model.yaml": "backend: echo\n"})
    (version,) = read_repository(root, BACKENDS).models["m"].served_versions
    assert (version.number, version.folder, version.source) == (1, root / "m", None)


def test_code_is_the_folder_that_it_lies_in(write: Write) -> None:
    root = write({"m/model.yaml": "backend: python\n", "m/1/model.py": "", "m/1/other.py": ""})
    (version,) = read_repository(root, BACKENDS).models["m"].served_versions
    assert version.source == LocalSource(".")


def test_a_folder_of_entries_is_no_entry_and_an_entry_no_folder_of_them(write: Write) -> None:
    root = write({"group/m/model.yaml": "backend: echo\n"})
    (problem,) = read_repository(root, BACKENDS).problems
    assert problem.message == (
        "The entry 'group' has no model.yaml. It holds entries of its own: to serve them, name this folder as the repository: "
        f"{root}/group."
    )
    with pytest.raises(ConfigurationError, match=r"is one model, and no repository: name the folder that holds it"):
        read_repository(root / "group" / "m", BACKENDS)
