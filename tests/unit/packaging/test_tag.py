"""Tags that BentoML takes."""

from __future__ import annotations

import pytest
from bentoml import Tag

from jubako.packaging.tag import tag_name, tag_version

DIGEST = "0123456789abcdef" * 4


@pytest.mark.parametrize("model", ["smollm2", "smollm2-vllm", "a.b_c-1", "7b", "m" * 63])
def test_a_name_that_bentoml_takes_stays_as_it_is(model: str) -> None:
    assert tag_name(model) == model


@pytest.mark.parametrize("model", ["Qwen2", "m" * 64, "m" * 62 + "-", "A.B_", "Z" * 128, "Ünder", "---"])
def test_any_other_becomes_one(model: str) -> None:
    tag = Tag(tag_name(model), tag_version(3, DIGEST))
    assert (tag.name, tag.version) == (tag_name(model), "3-0123456789ab")


def test_names_that_look_alike_are_told_apart() -> None:
    assert len({tag_name(name) for name in ("model-a", "Model-a", "model-A", "MODEL-A")}) == 4
