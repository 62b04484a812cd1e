"""POST /v1/rerank: documents in the order in which they answer a query, in the shape that Cohere and Jina gave it."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from jubako.dataplane.limits import MAX_INPUTS
from jubako.dataplane.protocol import Plane
from jubako.dataplane.ranking import best
from jubako.http.decoding import BodyDecoder
from jubako.http.exchange import Exchange
from jubako.http.openai.answers import EmbeddingUsage, encode
from jubako.http.openai.models import serving
from jubako.http.openai.wire import Ignored, ModelName
from jubako.identifiers import fresh_id
from jubako.messages import ScoreRequest, ScoreResult


class Document(Struct, frozen=True, forbid_unknown_fields=True):
    text: str


class RerankBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of POST /v1/rerank."""

    model: ModelName
    query: Annotated[str, Meta(min_length=1, description="What the documents are to answer.")]
    documents: Annotated[
        list[str | Document], Meta(min_length=1, max_length=MAX_INPUTS, description="Texts, or objects with a text.")
    ]
    top_n: Annotated[int, Meta(ge=0, le=2**31 - 1, description="Give the best so many; 0 is all. Default all.")] | None = None
    return_documents: Annotated[bool, Meta(description="Give the texts back with the scores. Default true.")] | None = None
    user: Annotated[str, Meta(description=Ignored)] | None = None

    @property
    def texts(self) -> list[str]:
        return [document if isinstance(document, str) else document.text for document in self.documents]

    def request(self) -> ScoreRequest:
        return ScoreRequest(model=self.model, queries=[self.query], documents=self.texts)


class RankedDocument(Struct, frozen=True):
    """`index` is the document's place in the request; the higher the score, the better it answers."""

    index: int
    relevance_score: float
    document: Document | msgspec.UnsetType = msgspec.UNSET


class Ranking(Struct, frozen=True):
    """Answer of POST /v1/rerank: the best document first."""

    id: str
    model: str
    results: list[RankedDocument]
    usage: EmbeddingUsage


_DECODER = BodyDecoder(RerankBody)


async def create(exchange: Exchange, plane: Plane) -> None:
    body = _DECODER.decode(await exchange.json_body())
    serving(plane, body.model, "score", exchange)
    with exchange.watch():
        result = await plane.score(body.request(), exchange.caller)
    await exchange.answer(encode(_ranking(result, body)))


def _ranking(result: ScoreResult, body: RerankBody) -> Ranking:
    scores, texts = result.scores, body.texts
    given_back = body.return_documents is not False
    results = [
        RankedDocument(i, scores[i], Document(texts[i]) if given_back else msgspec.UNSET) for i in best(scores, body.top_n)
    ]
    return Ranking(f"rerank-{fresh_id()}", body.model, results, EmbeddingUsage.of(result.usage))
