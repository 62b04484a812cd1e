"""Names as identifiers."""

from __future__ import annotations

import keyword

from hypothesis import given
from hypothesis import strategies as st

from jubako.clientgen.identifiers import LONGEST, class_names, identifiers

AROUND = (("Async", ""), ("", "Outputs"))


def test_what_is_an_identifier_stays_one() -> None:
    assert identifiers(["x", "input_ids", "X1"], "input") == {"x": "x", "input_ids": "input_ids", "X1": "X1"}


def test_what_is_none_becomes_one() -> None:
    found = identifiers(["x:0", "class", "入力", "1st", "_hidden", "own", "q\n"], "input", {"own"})
    assert found == {
        "x:0": "x_0",
        "class": "class_",
        "入力": "input",
        "1st": "input_1st",
        "_hidden": "hidden",
        "own": "own_",
        "q\n": "q_",
    }


def test_of_two_that_become_the_same_the_one_that_is_an_identifier_keeps_it() -> None:
    assert identifiers(["a-b", "a.b", "a_b"], "model") == {"a-b": "a_b_2", "a.b": "a_b_3", "a_b": "a_b"}


def test_classes_and_what_goes_with_them_are_nobody_elses() -> None:
    found = class_names(["foo", "async-foo", "foo-outputs", "models", "3d"], AROUND, {"Models"})
    assert found == {
        "3d": "Model3d",
        "async-foo": "AsyncFoo",
        "foo": "Foo_2",
        "foo-outputs": "FooOutputs_2",  # AsyncFooOutputs are the outputs of AsyncFoo
        "models": "Models_2",
    }


NAMES = st.lists(st.text(min_size=1, max_size=80), max_size=12, unique=True)


@given(NAMES)
def test_any_names_become_different_identifiers_whatever_their_order(names: list[str]) -> None:
    found = identifiers(names, "input", {"self"})
    assert found == identifiers(reversed(names), "input", {"self"})
    assert len(set(found.values())) == len(names)
    for identifier in found.values():
        assert identifier.isidentifier()
        assert identifier.isascii()
        assert not keyword.iskeyword(identifier)
        assert not identifier.startswith("_")
        assert identifier != "self"
        assert len(identifier) <= LONGEST + len("input__12")


@given(NAMES)
def test_any_names_become_different_classes(names: list[str]) -> None:
    found = class_names(names, AROUND, {"Models"})
    every = [word for name in found.values() for word in (name, f"Async{name}", f"{name}Outputs")]
    assert len(set(every)) == 3 * len(names)
    assert "Models" not in every
    assert all(word.isidentifier() and word.isascii() for word in every)
