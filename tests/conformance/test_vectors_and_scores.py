"""Embeddings by the official client in every form, and the endpoints for scores and classes, which that client can post to."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from tests.serving import Server


@pytest.fixture(scope="module")
def words(echo_server: Server) -> list[list[int]]:
    """Token ids of "one" and of "two words"."""
    with openai.OpenAI(base_url=echo_server.url, api_key="unused", max_retries=0) as client:
        asked = ({"model": "echo", "prompt": text} for text in ("one", "two words"))
        return [client.post("/tokenize", body=body, cast_to=dict[str, Any])["tokens"] for body in asked]


def test_an_input_in_each_form_has_the_same_vector(echo_client: openai.OpenAI, words: list[list[int]]) -> None:
    def vectors(given: str | list[str] | list[int] | list[list[int]]) -> list[list[float]]:
        return [item.embedding for item in echo_client.embeddings.create(model="echo", input=given).data]

    one, two = vectors(["one", "two words"])
    assert vectors("one") == [one]
    assert vectors(words[1]) == [two]
    assert vectors(words) == [one, two]


def test_fewer_dimensions_are_of_length_one_again(echo_client: openai.OpenAI) -> None:
    whole = echo_client.embeddings.create(model="echo", input="one").data[0].embedding
    answer = echo_client.embeddings.create(model="echo", input="one", dimensions=3, encoding_format="float")
    (short,) = (item.embedding for item in answer.data)
    assert len(short) == 3
    assert sum(number**2 for number in short) == pytest.approx(1, abs=1e-6)
    length = sum(number**2 for number in whole[:3]) ** 0.5
    assert short == pytest.approx([number / length for number in whole[:3]], abs=1e-6)


@pytest.mark.parametrize("given", ["", [], [""], [[]]])
def test_an_empty_input_is_a_bad_request(echo_client: openai.OpenAI, given: Any) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        echo_client.embeddings.create(model="echo", input=given)
    assert (caught.value.param or "").startswith("input")


def test_a_rerank(echo_client: openai.OpenAI) -> None:
    body = {"model": "echo", "query": "warm food", "documents": ["cold air", "warm food", "warm air"], "top_n": 2}
    answer = echo_client.post("/rerank", body=body, cast_to=dict[str, Any])
    assert [(result["index"], result["relevance_score"]) for result in answer["results"]] == [(1, 1.0), (2, 0.5)]
    assert answer["results"][0]["document"] == {"text": "warm food"}
    assert answer["usage"] == {"prompt_tokens": 12, "total_tokens": 12}


def test_scores(echo_client: openai.OpenAI) -> None:
    body = {"model": "echo", "text_1": ["warm food", "cold air"], "text_2": ["warm air", "cold air"]}
    answer = echo_client.post("/score", body=body, cast_to=dict[str, Any])
    assert [item["score"] for item in answer["data"]] == [0.5, 1.0]


def test_classes(echo_client: openai.OpenAI, words: list[list[int]]) -> None:
    answer = echo_client.post("/classify", body={"model": "echo", "input": words}, cast_to=dict[str, Any])
    assert [item["label"] for item in answer["data"]] == ["short", "long"]
    assert answer["data"][1]["probs"] == pytest.approx([1 / 3, 2 / 3])
    with pytest.raises(openai.BadRequestError):
        echo_client.post("/classify", body={"model": "echo"}, cast_to=dict[str, Any])
