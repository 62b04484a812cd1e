"""Embeddings, scores and classes: what is asked once and answered whole."""

from __future__ import annotations

import base64
import binascii
from typing import Any, TypeVar

import msgspec
import numpy as np

from jubako.backends.openai.answers import usage_of
from jubako.backends.openai.wire import ClassifyAnswer, EmbeddingAnswer, RerankAnswer, ScoreAnswer, WireEmbedding
from jubako.errors import UpstreamFailed
from jubako.messages import (
    ClassifyRequest,
    ClassifyResult,
    EmbedRequest,
    EmbedResult,
    Prompt,
    ScoreRequest,
    ScoreResult,
)

T = TypeVar("T")


def embedding_body(request: EmbedRequest) -> dict[str, Any]:
    """Base64 is asked for: it is a quarter of the work to read. Servers that do not know it send numbers, which are read too."""
    body: dict[str, Any] = {"input": _one_or_all(request.inputs), "encoding_format": "base64"}
    if request.dimensions is not None:
        body["dimensions"] = request.dimensions
    return body


def embeddings(body: bytes, count: int) -> EmbedResult:
    """Raises UpstreamFailed."""
    answer = read(body, EmbeddingAnswer)
    data = _in_order(answer.data, [each.index for each in answer.data], count)
    return EmbedResult(vectors=[_vector(each) for each in data], usage=usage_of(answer.usage))


def score_body(request: ScoreRequest) -> dict[str, Any]:
    """As vLLM's score endpoint wants it."""
    return {"text_1": _one_or_all(request.queries), "text_2": request.documents}


def scores(body: bytes, count: int) -> ScoreResult:
    """Raises UpstreamFailed."""
    answer = read(body, ScoreAnswer)
    data = _in_order(answer.data, [each.index for each in answer.data], count)
    return ScoreResult(scores=[each.score for each in data], usage=usage_of(answer.usage))


def rerank_body(request: ScoreRequest) -> dict[str, Any]:
    """As Jina's and Cohere's rerank endpoints want it, of which many servers have a copy."""
    return {"query": request.queries[0], "documents": request.documents, "return_documents": False}


def ranks(body: bytes, count: int) -> ScoreResult:
    """Raises UpstreamFailed."""
    answer = read(body, RerankAnswer)
    data = _in_order(answer.results, [each.index for each in answer.results], count)
    return ScoreResult(scores=[each.relevance_score for each in data], usage=usage_of(answer.usage))


def classify_body(request: ClassifyRequest) -> dict[str, Any]:
    """As vLLM's classify endpoint wants it."""
    return {"input": _one_or_all(request.inputs)}


def classes(body: bytes, count: int) -> ClassifyResult:
    """The answer names only the likeliest class of each input; those that none is likeliest of are called by their number.

    Raises:
        UpstreamFailed: it is none.
    """
    answer = read(body, ClassifyAnswer)
    data = _in_order(answer.data, [each.index for each in answer.data], count)
    number = max((len(each.probs) for each in data), default=0)
    labels = [f"LABEL_{place}" for place in range(number)]
    for each in data:
        if each.label and each.probs:
            labels[int(np.argmax(each.probs))] = each.label
    return ClassifyResult(labels=labels, probabilities=[each.probs for each in data], usage=usage_of(answer.usage))


def read(body: bytes, kind: type[T]) -> T:
    """Raises UpstreamFailed where `body` is not JSON of this kind."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise UpstreamFailed(f"The upstream sent an answer of another kind than was asked for: {error}.") from None
    except msgspec.DecodeError:
        raise UpstreamFailed("The upstream sent an answer that is no JSON.") from None


def _one_or_all(inputs: list[Prompt] | list[str]) -> Prompt | list[Prompt] | list[str]:
    return inputs[0] if len(inputs) == 1 else inputs


def _in_order(items: list[T], indices: list[int | None] | list[int], count: int) -> list[T]:
    """`items` in the order of their inputs. Items without an index are in order already."""
    if len(items) != count:
        raise UpstreamFailed(f"The upstream answered {len(items)} of {count} inputs.")
    if any(index is None for index in indices):
        return items
    placed = dict(zip(indices, items, strict=True))
    if set(placed) != set(range(count)):
        raise UpstreamFailed("The upstream's answer does not say which input each part belongs to.")
    return [placed[place] for place in range(count)]


def _vector(wire: WireEmbedding) -> bytes:
    if not isinstance(wire.embedding, str):
        return np.asarray(wire.embedding, "<f4").tobytes()
    try:
        vector = base64.b64decode(wire.embedding, validate=True)
    except (binascii.Error, ValueError):
        raise UpstreamFailed("The upstream sent an embedding that is no base64.") from None
    if len(vector) % 4:
        raise UpstreamFailed("The upstream sent an embedding that is no list of 32-bit numbers.")
    return vector
