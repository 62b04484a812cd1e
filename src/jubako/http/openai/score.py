"""POST /v1/score: how well texts belong together, pair by pair, in vLLM's shape."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from jubako.dataplane.limits import MAX_INPUTS
from jubako.dataplane.protocol import Plane
from jubako.errors import InvalidRequest
from jubako.http.decoding import BodyDecoder
from jubako.http.exchange import Exchange
from jubako.http.openai.answers import EmbeddingUsage, encode, now
from jubako.http.openai.models import serving
from jubako.http.openai.wire import Ignored, ModelName
from jubako.identifiers import fresh_id
from jubako.messages import ScoreRequest

Texts = str | Annotated[list[str], Meta(min_length=1, max_length=MAX_INPUTS)]

NEEDED = "Send 'text_1' and 'text_2', or 'queries' and 'documents'."


class ScoreBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of POST /v1/score: `text_1` and `text_2`, or `queries` and `documents`, which mean the same."""

    model: ModelName
    text_1: Annotated[Texts, Meta(description="One text, which is paired with each of text_2, or as many as those.")] | None = (
        None
    )
    text_2: Annotated[Texts, Meta(description="The texts to score.")] | None = None
    queries: Annotated[Texts, Meta(description="The same as text_1.")] | None = None
    documents: Annotated[Texts, Meta(description="The same as text_2.")] | None = None
    encoding_format: Annotated[Literal["float"], Meta(description="Scores are numbers in any case.")] | None = None
    user: Annotated[str, Meta(description=Ignored)] | None = None

    def request(self) -> ScoreRequest:
        """Raises InvalidRequest."""
        first, second = self._names()
        queries, documents = _list(getattr(self, first), first), _list(getattr(self, second), second)
        if len(queries) not in (1, len(documents)):
            raise InvalidRequest(
                f"{first!r} has {len(queries)} texts and {second!r} has {len(documents)}. Send one for all, or as many.",
                param=first,
            )
        return ScoreRequest(model=self.model, queries=queries, documents=documents)

    def _names(self) -> tuple[str, str]:
        """The fields that hold the pairs."""
        ours = self.text_1 is not None or self.text_2 is not None
        if ours and (self.queries is not None or self.documents is not None):
            raise InvalidRequest(f"The pairs are there twice. {NEEDED}", param="queries")
        return ("text_1", "text_2") if ours else ("queries", "documents")


class PairScore(Struct, frozen=True):
    """`index` is the pair's place in the request."""

    index: int
    score: float
    object: Literal["score"] = "score"


class ScoreList(Struct, frozen=True):
    """Answer of POST /v1/score."""

    id: str
    created: int
    model: str
    data: list[PairScore]
    usage: EmbeddingUsage
    object: Literal["list"] = "list"


_DECODER = BodyDecoder(ScoreBody)


async def create(exchange: Exchange, plane: Plane) -> None:
    body = _DECODER.decode(await exchange.json_body())
    serving(plane, body.model, "score", exchange)
    request = body.request()
    with exchange.watch():
        result = await plane.score(request, exchange.caller)
    data = [PairScore(index, score) for index, score in enumerate(result.scores)]
    await exchange.answer(encode(ScoreList(f"score-{fresh_id()}", now(), body.model, data, EmbeddingUsage.of(result.usage))))


def _list(texts: str | list[str] | None, name: str) -> list[str]:
    if texts is None:
        raise InvalidRequest(f"Missing required parameter: {name!r}. {NEEDED}", param=name, code="missing_required_parameter")
    return [texts] if isinstance(texts, str) else texts
