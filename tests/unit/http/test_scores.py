"""Reranking, scores and classes."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from jubako.messages import ClassifyRequest, ScoreRequest
from tests.unit.http.fake_plane import FakePlane

# A document's score is its length in hundredths.
RERANK: dict[str, Any] = {"model": "rank", "query": "q", "documents": ["aa", {"text": "aaaa"}, "a"]}
SCORE: dict[str, Any] = {"model": "rank", "text_1": "q", "text_2": ["aa", "aaaa"]}
CLASSIFY: dict[str, Any] = {"model": "sort", "input": ["a", "b"]}


@pytest.mark.parametrize("path", ["/v1/rerank", "/rerank"])
async def test_the_best_document_comes_first(client: httpx.AsyncClient, plane: FakePlane, path: str) -> None:
    answer = (await client.post(path, json=RERANK)).json()
    assert answer["id"].startswith("rerank-")
    assert answer["model"] == "rank"
    assert answer["results"] == [
        {"index": 1, "relevance_score": 0.04, "document": {"text": "aaaa"}},
        {"index": 0, "relevance_score": 0.02, "document": {"text": "aa"}},
        {"index": 2, "relevance_score": 0.01, "document": {"text": "a"}},
    ]
    assert answer["usage"] == {"prompt_tokens": 7, "total_tokens": 7}
    assert plane.asked == [ScoreRequest(model="rank", queries=["q"], documents=["aa", "aaaa", "a"])]


@pytest.mark.parametrize(("top_n", "kept"), [(1, 1), (2, 2), (7, 3), (0, 3), (None, 3)])
async def test_the_best_so_many(client: httpx.AsyncClient, top_n: int | None, kept: int) -> None:
    answer = (await client.post("/v1/rerank", json={**RERANK, "top_n": top_n, "return_documents": False})).json()
    assert [result["index"] for result in answer["results"]] == [1, 0, 2][:kept]
    assert all("document" not in result for result in answer["results"])


async def test_equal_documents_keep_their_order(client: httpx.AsyncClient) -> None:
    answer = (await client.post("/v1/rerank", json={**RERANK, "documents": ["ab", "cd", "efg", "hi"]})).json()
    assert [result["index"] for result in answer["results"]] == [2, 0, 1, 3]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"query": ""}, "query"),
        ({"query": None}, "query"),
        ({"documents": []}, "documents"),
        ({"documents": ["a"] * 2049}, "documents"),
        ({"documents": ["a", 1]}, "documents[1]"),
        ({"documents": [{"txt": "a"}]}, "documents[0].txt"),
        ({"documents": [{}]}, "documents[0].text"),
        ({"top_n": -1}, "top_n"),
        ({"top_k": 1}, "top_k"),
    ],
)
async def test_a_wrong_rerank_is_refused(client: httpx.AsyncClient, fields: dict[str, Any], param: str) -> None:
    response = await client.post("/v1/rerank", json={**RERANK, **fields})
    assert response.status_code == 400
    assert response.json()["error"]["param"] == param


@pytest.mark.parametrize("path", ["/v1/score", "/score"])
@pytest.mark.parametrize(("first", "second"), [("text_1", "text_2"), ("queries", "documents")])
async def test_scores_by_both_names(client: httpx.AsyncClient, plane: FakePlane, path: str, first: str, second: str) -> None:
    answer = (await client.post(path, json={"model": "rank", first: "q", second: ["aa", "aaaa"]})).json()
    assert answer["id"].startswith("score-")
    assert answer["created"] > 1_700_000_000
    assert (answer["object"], answer["model"]) == ("list", "rank")
    assert answer["data"] == [{"index": 0, "object": "score", "score": 0.02}, {"index": 1, "object": "score", "score": 0.04}]
    assert answer["usage"] == {"prompt_tokens": 7, "total_tokens": 7}
    assert plane.asked == [ScoreRequest(model="rank", queries=["q"], documents=["aa", "aaaa"])]


@pytest.mark.parametrize(
    ("text_1", "text_2", "pairs"), [("q", "a", 1), (["q"], ["a", "b"], 2), (["q", "r"], ["a", "b"], 2), (["q"], "a", 1)]
)
async def test_one_text_for_all_or_as_many(client: httpx.AsyncClient, text_1: object, text_2: object, pairs: int) -> None:
    answer = (await client.post("/v1/score", json={"model": "rank", "text_1": text_1, "text_2": text_2})).json()
    assert len(answer["data"]) == pairs


@pytest.mark.parametrize(
    ("fields", "param", "sentence"),
    [
        ({}, "queries", "Send 'text_1' and 'text_2', or 'queries' and 'documents'."),
        ({"text_1": "q"}, "text_2", "Missing required parameter: 'text_2'."),
        ({"documents": "a"}, "queries", "Missing required parameter: 'queries'."),
        ({"text_1": "q", "documents": "a"}, "queries", "The pairs are there twice."),
        ({"text_1": ["q", "r"], "text_2": ["a", "b", "c"]}, "text_1", "has 2 texts and 'text_2' has 3"),
        ({"text_1": "q", "text_2": []}, "text_2", ""),
        ({"text_1": [1], "text_2": "a"}, "text_1[0]", "string"),
    ],
)
async def test_a_wrong_score_is_refused(client: httpx.AsyncClient, fields: dict[str, Any], param: str, sentence: str) -> None:
    response = await client.post("/v1/score", json={"model": "rank", **fields})
    assert response.status_code == 400
    assert response.json()["error"]["param"] == param
    assert sentence in response.json()["error"]["message"]


@pytest.mark.parametrize("path", ["/v1/classify", "/classify"])
async def test_classes(client: httpx.AsyncClient, plane: FakePlane, path: str) -> None:
    answer = (await client.post(path, json=CLASSIFY)).json()
    assert answer["id"].startswith("classify-")
    assert (answer["object"], answer["model"], answer["labels"]) == ("list", "sort", ["no", "yes"])
    assert answer["data"] == [{"index": i, "label": "yes", "probs": [0.25, 0.75], "num_classes": 2} for i in range(2)]
    assert answer["usage"] == {"prompt_tokens": 7, "total_tokens": 7}
    assert plane.asked == [ClassifyRequest(model="sort", inputs=["a", "b"])]


@pytest.mark.parametrize(("given", "inputs"), [("a", ["a"]), ([1, 2], [[1, 2]]), ([[1], [2, 3]], [[1], [2, 3]])])
async def test_the_forms_of_an_input(client: httpx.AsyncClient, plane: FakePlane, given: Any, inputs: Any) -> None:
    answer = (await client.post("/v1/classify", json={**CLASSIFY, "input": given})).json()
    assert len(answer["data"]) == len(inputs)
    assert plane.asked == [ClassifyRequest(model="sort", inputs=inputs)]


@pytest.mark.parametrize(("given", "param"), [("", "input"), (["a", ""], "input[1]"), ([], "input"), (["a", 1], "input[1]")])
async def test_a_wrong_input_is_refused(client: httpx.AsyncClient, given: object, param: str) -> None:
    response = await client.post("/v1/classify", json={**CLASSIFY, "input": given})
    assert response.status_code == 400
    assert response.json()["error"]["param"] == param


@pytest.mark.parametrize(
    ("path", "fields", "sentence"),
    [
        (
            "/v1/rerank",
            {**RERANK, "model": "embed"},
            "The model 'embed' does not serve score (/v1/rerank and /v1/score). It serves: embedding (/v1/embeddings).",
        ),
        (
            "/v1/classify",
            {**CLASSIFY, "model": "rank"},
            "The model 'rank' does not serve classify (/v1/classify). It serves: score (/v1/rerank and /v1/score).",
        ),
        (
            "/v1/score",
            {**SCORE, "model": "sort"},
            "The model 'sort' does not serve score (/v1/rerank and /v1/score). It serves: classify (/v1/classify).",
        ),
    ],
)
async def test_a_model_that_serves_something_else_says_what(
    client: httpx.AsyncClient, path: str, fields: dict[str, Any], sentence: str
) -> None:
    response = await client.post(path, json=fields)
    assert response.status_code == 400
    assert response.json()["error"] == {
        "message": sentence,
        "type": "invalid_request_error",
        "param": "model",
        "code": "unsupported_task",
    }
