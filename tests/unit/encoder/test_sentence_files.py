"""What the files of sentence-transformers say, in their old and new spellings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jubako.backends.encoder.lengths import bucket_of, default_buckets
from jubako.backends.transformers.sentence_files import read_sentence_files
from jubako.errors import ConfigurationError

OLD = "sentence_transformers.models."
NEW = "sentence_transformers.sentence_transformer.modules."


def write(folder: Path, files: dict[str, Any]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))
    return folder


def modules(*kinds: str, prefix: str = OLD) -> list[dict[str, Any]]:
    paths = {"Transformer": ""}
    return [
        {"idx": number, "name": str(number), "path": paths.get(kind, f"{number}_{kind}"), "type": f"{prefix}{kind}"}
        for number, kind in enumerate(kinds)
    ]


def test_a_plain_folder_says_nothing(tmp_path: Path) -> None:
    files = read_sentence_files(tmp_path)
    assert (files.model, files.pooling, files.normalize, files.max_seq_length) == (tmp_path, None, None, None)
    assert files.prompt("query") == ""


def test_the_old_spelling(tmp_path: Path) -> None:
    said = {
        "modules.json": modules("Transformer", "Pooling", "Dense", "Normalize"),
        "sentence_bert_config.json": {"max_seq_length": 256, "do_lower_case": True},
        "1_Pooling/config.json": {"word_embedding_dimension": 8, "pooling_mode_cls_token": True, "pooling_mode_max_tokens": True},
        "config_sentence_transformers.json": {"prompts": {"query": "ask: ", "none": None}, "default_prompt_name": None},
    }
    files = read_sentence_files(write(tmp_path, said))
    assert (files.pooling, files.normalize, files.dense) == (("cls", "max"), True, (tmp_path / "2_Dense",))
    assert (files.max_seq_length, files.lower_case, files.pools_prompt) == (256, True, True)
    assert (files.prompt("query"), files.prompt("document"), files.prompt()) == ("ask: ", "", "")


def test_the_new_spelling(tmp_path: Path) -> None:
    said = {
        "modules.json": modules("Transformer", "Pooling", prefix=NEW),
        "1_Pooling/config.json": {"embedding_dimension": 8, "pooling_mode": "lasttoken", "include_prompt": False},
        "config_sentence_transformers.json": {"prompts": {"query": "q", "document": "d"}, "default_prompt_name": "document"},
    }
    files = read_sentence_files(write(tmp_path, said))
    assert (files.pooling, files.normalize, files.pools_prompt) == (("lasttoken",), False, False)
    assert (files.prompt("query"), files.prompt("passage"), files.prompt()) == ("q", "d", "d")


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        (
            {"modules.json": modules("Transformer", "WeightedLayerPooling", "Pooling")},
            "of Transformer, WeightedLayerPooling",
        ),
        ({"modules.json": modules("StaticEmbedding")}, "made of StaticEmbedding"),
        ({"modules.json": modules("Transformer", "Pooling", "Normalize", "Dense")}, "Normalize must be the last"),
        ({"modules.json": "{"}, "modules.json is broken"),
        ({"modules.json": modules("Transformer", "Pooling")}, "config.json can't be read"),
        (
            {"modules.json": modules("Transformer", "Pooling"), "1_Pooling/config.json": {"pooling_mode": "best"}},
            "says the pooling 'best'; there are: mean, cls",
        ),
    ],
)
def test_what_can_not_be_computed_is_told(files: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        read_sentence_files(write(tmp_path, files))


def test_no_more_than_a_fifth_of_a_sequence_of_some_length_is_padding() -> None:
    buckets = default_buckets(512)
    assert buckets == sorted(set(buckets))
    assert (buckets[0], buckets[-1]) == (8, 512)
    assert all((bucket_of(length, buckets) - length) / bucket_of(length, buckets) <= 0.2 for length in range(33, 513))
    assert (bucket_of(1, buckets), bucket_of(8, buckets), bucket_of(600, buckets)) == (8, 8, 600)
    assert default_buckets(10) == [8, 10]
