"""The official openai client, unchanged, on the real model."""

from __future__ import annotations

import openai
import pytest

from tests.conformance.text_model_suite import HELLO, TextModelSuite

MODEL = "smollm2"


@pytest.fixture
def model() -> str:
    return MODEL


class TestLlamaCpp(TextModelSuite):
    """SmolLM2 on llama.cpp."""


@pytest.mark.parametrize("as_numbers", [False, True])
def test_embeddings(echo_client: openai.OpenAI, *, as_numbers: bool) -> None:
    answer = echo_client.embeddings.create(
        model="echo", input=["one", "two words"], encoding_format="float" if as_numbers else openai.omit
    )
    assert [item.index for item in answer.data] == [0, 1]
    assert len(answer.data[0].embedding) > 0
    assert all(isinstance(number, float) for number in answer.data[0].embedding)
    assert answer.usage.prompt_tokens > 0


def test_models(client: openai.OpenAI, echo_client: openai.OpenAI) -> None:
    assert MODEL in [model.id for model in client.models.list()]
    assert client.models.retrieve("HuggingFaceTB/SmolLM2-135M-Instruct").id == MODEL
    assert echo_client.models.retrieve("Org/Echo-1B").owned_by == "jubako"


def test_an_unknown_model_is_not_found(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="smollm", messages=HELLO)
    assert caught.value.code == "model_not_found"
    assert "smollm2" in caught.value.message
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("smollm")


def test_wrong_values_are_bad_requests(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=MODEL, messages=HELLO, temperature=-1)
    assert caught.value.param == "temperature"
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=MODEL, messages=HELLO, extra_body={"top_kk": 1})
    assert caught.value.param == "top_kk"
    assert "top_k" in caught.value.message
    with pytest.raises(openai.BadRequestError) as caught:
        client.embeddings.create(model=MODEL, input="a")
    assert "does not serve embedding" in caught.value.message


def test_the_request_id_is_the_clients(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model=MODEL, messages=HELLO, max_tokens=1, extra_headers={"x-request-id": "mine"})
    assert answer._request_id == "mine"
