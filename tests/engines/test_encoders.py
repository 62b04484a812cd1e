"""Embedding models, cross-encoders and classifiers on transformers, beside what sentence-transformers makes of the same texts."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import openai
import pytest

from jubako.paths import shipped
from tests.engines.conftest import MAKE_TIMEOUT_S, MakeEnvironment, Serve, jubako
from tests.serving import Server

pytestmark = pytest.mark.timeout(MAKE_TIMEOUT_S)  # the first test may have to wait for an environment

TEXTS = [
    "A jubako stacks boxes.",
    "x",
    " ",
    "重箱は、料理を入れて積み重ねる箱です。疊放的盒子。",
    "a longer text about lunch, with many more words than the others have, so that padding would show: " + "rice and fish " * 45,
    "Ünïcode 🙂 and émile",
    "\n\t",
    "Where is the station?",
]
TOLERANCE = 1e-5
REFERENCE = "sentence-transformers==6.2.0"
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def minilm() -> Path:
    """all-MiniLM-L6-v2, out of its package."""
    return Path(jubako("pull", "minilm", "--repository", str(shipped("model_repository"))).split(maxsplit=1)[1])


@pytest.fixture(scope="module")
def made(minilm: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the small models that `encoder_trials.py` makes, and its references."""
    folder = tmp_path_factory.mktemp("encoders")
    (folder / "texts.json").write_text(json.dumps(TEXTS))
    python = Path(jubako("env", "create", "transformers", "--with", REFERENCE)) / "bin" / "python"
    subprocess.run(
        [python, Path(__file__).with_name("encoder_trials.py"), folder, minilm],
        env={**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / "src")},
        timeout=MAKE_TIMEOUT_S,
        check=True,
    )
    return folder


@pytest.fixture(scope="module")
def references(made: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((made / "references.json").read_text())
    return read


@pytest.fixture(scope="module")
def server(serve: Serve, environment: MakeEnvironment, minilm: Path, made: Path) -> Server:
    environment("transformers")
    on = "backend: transformers\nengine: {num_threads: 1}\n"
    return serve(
        **{
            "minilm": f"{on}tasks: [embedding, score]\nsource: file:{minilm}\nbatching: {{max_work: 256}}\nmax_batch_size: 16\n",
            "cross-encoder": f"{on}tasks: [score]\nsource: file:{made / 'cross-encoder'}\n",
            "raw-cross-encoder": f"{on}tasks: [score]\nsource: file:{made / 'raw-cross-encoder'}\nautoload: false\n",
            "classifier": f"{on}tasks: [classify]\nsource: file:{made / 'classifier'}\n",
            "tagger": f"{on}tasks: [classify]\nsource: file:{made / 'tagger'}\nautoload: false\n",
            "headless": f"{on}tasks: [embedding, classify]\nsource: file:{minilm}\nautoload: false\n",
            "plain": (
                f"backend: transformers\ntasks: [embedding]\nsource: file:{made / 'bert'}\nautoload: false\n"
                "engine: {num_threads: 1, pooling: cls, normalize: false, max_model_len: 16}\n"
            ),
        }
    )


@pytest.fixture
def client(server: Server) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=server.api, api_key="unused", max_retries=0) as client:
        yield client


def ask(server: Server, path: str, **body: object) -> dict[str, Any]:
    answer = httpx.post(f"{server.url}{path}", json=body, timeout=60)
    assert answer.status_code == 200, answer.text
    read: dict[str, Any] = answer.json()
    return read


def load(server: Server, model: str) -> httpx.Response:
    return httpx.post(f"{server.url}/v2/repository/models/{model}/load", json={}, timeout=120)


def embed(client: openai.OpenAI, *texts: str) -> np.ndarray[Any, Any]:
    answer = client.embeddings.create(model="minilm", input=[*texts])
    assert [item.index for item in answer.data] == [*range(len(texts))]
    return np.array([item.embedding for item in answer.data])


def test_minilm_equals_sentence_transformers(client: openai.OpenAI, references: dict[str, Any]) -> None:
    assert embed(client, *TEXTS) == pytest.approx(np.array(references["minilm"]), abs=TOLERANCE)


def test_the_company_in_a_batch_changes_nothing(client: openai.OpenAI, references: dict[str, Any], server: Server) -> None:
    order = [
        index for start in range(len(TEXTS)) for index in (start, (start * 3 + 1) % len(TEXTS), (start * 5 + 2) % len(TEXTS))
    ]
    with ThreadPoolExecutor(12) as threads:
        found = [*threads.map(lambda index: embed(client, TEXTS[index])[0], order)]
    assert np.array(found) == pytest.approx(np.array(references["minilm"])[order], abs=TOLERANCE)
    statistics = httpx.get(f"{server.url}/v2/models/minilm/stats").json()["model_stats"][0]
    assert statistics["execution_count"] < statistics["inference_count"]


def test_many_inputs_in_one_request(client: openai.OpenAI, references: dict[str, Any]) -> None:
    short = [index for index, text in enumerate(TEXTS) if len(text) < 100]
    order = short * 30
    assert len(order) > 128  # more than may wait in the queue
    found = embed(client, *(TEXTS[index] for index in order))
    assert found == pytest.approx(np.array(references["minilm"])[order], abs=TOLERANCE)


@pytest.mark.parametrize("dimensions", [None, 1, 64, 384])
def test_dimensions_and_base64(dimensions: int | None, client: openai.OpenAI, server: Server, references: dict[str, Any]) -> None:
    wanted = np.array(references["minilm"][:2])[:, :dimensions]
    wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    asked = openai.omit if dimensions is None else dimensions
    for encoding in ("float", "base64"):
        answer = client.embeddings.create(model="minilm", input=TEXTS[:2], dimensions=asked, encoding_format=encoding)
        raw = [item.embedding for item in answer.data]
        vectors = [np.frombuffer(base64.b64decode(vector), "<f4") if isinstance(vector, str) else vector for vector in raw]
        assert np.array(vectors) == pytest.approx(wanted, abs=TOLERANCE)
    with pytest.raises(openai.BadRequestError, match="dimensions is 385, but the model's vectors have 384"):
        client.embeddings.create(model="minilm", input="x", dimensions=385)


def test_token_ids_are_what_their_text_is(client: openai.OpenAI, server: Server, references: dict[str, Any]) -> None:
    tokens = ask(server, "/tokenize", model="minilm", prompt=TEXTS[0])["tokens"]
    answer = client.embeddings.create(model="minilm", input=[tokens])
    assert np.array(answer.data[0].embedding) == pytest.approx(np.array(references["minilm"][0]), abs=TOLERANCE)
    assert answer.usage.prompt_tokens == len(tokens)
    assert ask(server, "/detokenize", model="minilm", tokens=tokens)["prompt"] == "[CLS] a jubako stacks boxes. [SEP]"


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ("word " * 300, "The input has 302 tokens, but the model's context holds 256"),
        ([1, 2, 30522], "There is no token 30522: the model's token ids go from 0 to 30521"),
    ],
)
def test_a_wrong_input_fails_alone(
    wrong: str | list[int], sentence: str, client: openai.OpenAI, references: dict[str, Any]
) -> None:
    def send(number: int) -> object:
        if number % 2:
            return embed(client, TEXTS[0])[0]
        with pytest.raises(openai.BadRequestError, match=sentence):
            client.embeddings.create(model="minilm", input=wrong)
        return None

    with ThreadPoolExecutor(6) as threads:
        answers = [*threads.map(send, range(6))]
    for answer in answers[1::2]:
        assert answer == pytest.approx(np.array(references["minilm"][0]), abs=TOLERANCE)


def test_the_open_inference_protocol_gives_the_same(server: Server, references: dict[str, Any]) -> None:
    texts = {"name": "text_input", "datatype": "BYTES", "shape": [len(TEXTS)], "data": TEXTS}
    (output,) = ask(server, "/v2/models/minilm/infer", inputs=[texts])["outputs"]
    assert (output["name"], output["shape"]) == ("embedding", [len(TEXTS), 384])
    assert np.array(output["data"]) == pytest.approx(np.array(references["minilm"]).ravel(), abs=TOLERANCE)


def test_embeddings_score_by_their_angle(server: Server, references: dict[str, Any]) -> None:
    vectors = np.array(references["minilm"])
    answer = ask(server, "/v1/score", model="minilm", text_1=TEXTS[0], text_2=TEXTS[1:4])
    assert [item["score"] for item in answer["data"]] == pytest.approx((vectors[1:4] @ vectors[0]).tolist(), abs=TOLERANCE)


@pytest.mark.parametrize(("model", "reference"), [("cross-encoder", "scores"), ("raw-cross-encoder", "raw-scores")])
def test_cross_encoders_score_as_sentence_transformers(
    model: str, reference: str, server: Server, references: dict[str, Any]
) -> None:
    load(server, model).raise_for_status()
    query = "a short question"
    answer = ask(server, "/v1/score", model=model, text_1=query, text_2=TEXTS)
    assert [item["score"] for item in answer["data"]] == pytest.approx(references[reference], abs=TOLERANCE)
    ranked = ask(server, "/v1/rerank", model=model, query=query, documents=TEXTS)["results"]
    best = sorted(range(len(TEXTS)), key=lambda index: -references[reference][index])
    assert [result["relevance_score"] for result in ranked] == pytest.approx(
        [references[reference][index] for index in best], abs=TOLERANCE
    )


@pytest.mark.parametrize(("model", "reference"), [("classifier", "classes"), ("tagger", "tags")])
def test_classifiers_give_the_librarys_probabilities(
    model: str, reference: str, server: Server, references: dict[str, Any]
) -> None:
    load(server, model).raise_for_status()
    answer = ask(server, "/v1/classify", model=model, input=TEXTS)
    found = [item["probs"] for item in answer["data"]]
    assert np.array(found) == pytest.approx(np.array(references[reference]), abs=TOLERANCE)
    labels = ["red", "green", "blue"]
    assert [item["label"] for item in answer["data"]] == [labels[int(np.argmax(row))] for row in references[reference]]


def test_a_task_that_the_weights_can_not_serve_fails_the_load(server: Server) -> None:
    answer = load(server, "headless")
    assert answer.status_code != 200
    assert "has no head for scores or classes" in answer.text
    assert "tasks: [embedding, score]" in answer.text


def test_the_entry_decides_over_the_files(server: Server, client: openai.OpenAI) -> None:
    load(server, "plain").raise_for_status()
    vector = np.array(client.embeddings.create(model="plain", input="a jubako").data[0].embedding)
    assert np.linalg.norm(vector) != pytest.approx(1.0, abs=1e-2)
    with pytest.raises(openai.BadRequestError, match="the model's context holds 16"):
        client.embeddings.create(model="plain", input="lunch " * 20)


def test_every_kind_of_model_and_pooling_equals_sentence_transformers(references: dict[str, Any]) -> None:
    for name, trial in references["trials"].items():
        assert trial["difference"] < TOLERANCE, name
        assert trial["spread"] > 100 * TOLERANCE, name  # else it would be equal whatever is computed
        assert trial["packs"] == trial["expected"], name
        assert trial["dimensions"], name
