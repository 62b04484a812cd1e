"""Files that would take long to read are given up at what is too much; where, says the line that the problem names."""

from __future__ import annotations

from pathlib import Path

import pytest

from jubako.backends.declarations import BACKENDS
from jubako.repository.document import MAX_BYTES, MAX_DEPTH, MAX_NODES, MAX_VALUES, Document
from jubako.repository.problem import Problem
from jubako.repository.repository import read_repository
from tests.unit.repository.conftest import Write

FILE = Path("model.yaml")


def the_problem(text: str) -> Problem:
    (problem,) = Document.parse(text, FILE).problems
    assert problem.file == FILE
    return problem


@pytest.mark.parametrize("bracket", ["[", "{", "{a: ", "[{a: "])
def test_brackets_are_read_no_deeper_than_a_file_may_be(bracket: str) -> None:
    """One a line, so that the line tells how many were looked at; all of them would be ten thousand."""
    problem = the_problem("a:\n" + f" {bracket}\n" * 10_000)
    assert problem.line <= MAX_DEPTH + 3
    assert problem.message == f"The file is nested more than {MAX_DEPTH} deep, which no entry needs."


@pytest.mark.parametrize("text", ["[" * 200_000, "{" * 200_000, "- " * 100_000, "? " * 100_000, "a: " + "[" * 200_000])
def test_depth_is_refused_on_a_single_line_too(text: str) -> None:
    assert the_problem(text).message.startswith(f"The file is nested more than {MAX_DEPTH} deep")


def test_indentation_is_read_no_deeper_either() -> None:
    assert the_problem("".join(" " * depth + "a:\n" for depth in range(600))).line <= MAX_DEPTH + 3


def test_what_is_just_deep_enough_is_read() -> None:
    text = "a: " + "[" * (MAX_DEPTH - 1) + "1" + "]" * (MAX_DEPTH - 1)
    assert Document.parse(text, FILE).problems == ()
    assert the_problem(text.replace("1", "[1]"))


@pytest.mark.parametrize("line", ["- x\n", "- !!str x\n", "- [[]]\n"])
def test_values_are_read_up_to_the_most_there_may_be(line: str) -> None:
    problem = the_problem("a:\n" + line * (2 * MAX_NODES))
    assert problem.line <= MAX_NODES + 3
    assert problem.message == f"The file holds more than {MAX_NODES} keys and values, which no entry needs."


def test_as_many_values_as_there_may_be_are_read() -> None:
    assert Document.parse("a:\n" + "- x\n" * (MAX_VALUES - 1), FILE).problems == ()
    assert "too many values" in the_problem("a:\n" + "- x\n" * MAX_VALUES).message


@pytest.mark.parametrize(
    "text",
    [
        "x0: &x0 [1, 1]\n" + "".join(f"x{i}: &x{i} [*x{i - 1}, *x{i - 1}]\n" for i in range(1, 40)),
        "x0: &x0 {a: 1}\n" + "".join(f"x{i}: &x{i} {{<<: [*x{i - 1}, *x{i - 1}]}}\n" for i in range(1, 40)),
        "x0: &x0 {a: 1}\n" + "".join(f"x{i}: &x{i} {{<<: *x{i - 1}}}\n" for i in range(1, 2000)),
        "a: &a [*a]\n",
        "a: &a\n  <<: *a\n",
        "a: &a {<<: [*a, *a]}\n",
    ],
    ids=["doubling", "doubling by merges", "a chain of merges", "itself", "merged into itself", "merged into itself twice"],
)
def test_aliases_are_written_out_no_further_than_a_file_may_be(text: str) -> None:
    assert "once its aliases are written out" in the_problem(text).message


def test_what_is_merged_keeps_its_own_lines_and_takes_none_of_others() -> None:
    document = Document.parse("base: &base\n  a: 1\n  b: 2\nmine:\n  <<: *base\n  b: 3\n", FILE)
    assert document.fields["mine"] == {"a": 1, "b": 3}
    assert [document.line(path) for path in (("mine", "a"), ("mine", "b"), ("base", "b"))] == [2, 6, 3]


@pytest.mark.parametrize("name", ["m/model.yaml", "m/1/version.yaml", "m/aliases.yaml"])
@pytest.mark.parametrize(
    "text", ["a: " + "[" * 200_000, "a: &a\n  <<: *a\n", "#" * MAX_BYTES + "\n"], ids=["deep", "alias", "long"]
)
def test_a_hostile_file_breaks_its_own_entry_only_and_is_named(write: Write, name: str, text: str) -> None:
    good = {"m/model.yaml": "backend: echo\n", "m/1/": "", "other/model.yaml": "backend: echo\n", "other/1/": ""}
    root = write({**good, name: text})
    repository = read_repository(root, BACKENDS)
    assert "other" in repository.models
    assert {problem.file for problem in repository.problems} == {root / name}
