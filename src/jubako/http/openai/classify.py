"""POST /v1/classify: which class a text belongs to, in vLLM's shape."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from jubako.dataplane.protocol import Plane
from jubako.http.decoding import BodyDecoder
from jubako.http.exchange import Exchange
from jubako.http.openai.answers import EmbeddingUsage, encode, now
from jubako.http.openai.models import serving
from jubako.http.openai.wire import Ignored, ModelName, Prompts, inputs_of
from jubako.identifiers import fresh_id
from jubako.messages import ClassifyRequest


class ClassifyBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of POST /v1/classify."""

    model: ModelName
    input: Prompts
    user: Annotated[str, Meta(description=Ignored)] | None = None

    def request(self) -> ClassifyRequest:
        """Raises InvalidRequest."""
        return ClassifyRequest(model=self.model, inputs=inputs_of(self.input))


class Classification(Struct, frozen=True):
    """`label` is the likeliest class of input `index`; `probs` are of all classes, in the order of the answer's `labels`."""

    index: int
    label: str
    probs: list[float]
    num_classes: int


class ClassificationList(Struct, frozen=True):
    """Answer of POST /v1/classify."""

    id: str
    created: int
    model: str
    labels: list[str]
    data: list[Classification]
    usage: EmbeddingUsage
    object: Literal["list"] = "list"


_DECODER = BodyDecoder(ClassifyBody)


async def create(exchange: Exchange, plane: Plane) -> None:
    body = _DECODER.decode(await exchange.json_body())
    serving(plane, body.model, "classify", exchange)
    request = body.request()
    with exchange.watch():
        result = await plane.classify(request, exchange.caller)
    labels = result.labels
    data = [
        Classification(index, labels[probs.index(max(probs))], probs, len(probs))
        for index, probs in enumerate(result.probabilities)
    ]
    usage = EmbeddingUsage.of(result.usage)
    await exchange.answer(encode(ClassificationList(f"classify-{fresh_id()}", now(), body.model, labels, data, usage)))
