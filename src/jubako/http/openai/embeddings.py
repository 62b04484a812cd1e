"""POST /v1/embeddings."""

from __future__ import annotations

import base64

import numpy as np

from jubako.dataplane.protocol import Plane
from jubako.http.decoding import BodyDecoder
from jubako.http.exchange import Exchange
from jubako.http.openai.answers import Embedding, EmbeddingList, EmbeddingUsage, encode
from jubako.http.openai.models import serving
from jubako.http.openai.wire import EmbeddingRequest

_DECODER = BodyDecoder(EmbeddingRequest)


async def create(exchange: Exchange, plane: Plane) -> None:
    body = _DECODER.decode(await exchange.json_body())
    serving(plane, body.model, "embedding", exchange)
    request = body.request()
    with exchange.watch():
        result = await plane.embed(request, exchange.caller)
    in_base64 = body.encoding_format == "base64"
    data = [Embedding(index, _as_base64(v) if in_base64 else _as_floats(v)) for index, v in enumerate(result.vectors)]
    await exchange.answer(encode(EmbeddingList(data, body.model, EmbeddingUsage.of(result.usage))))


def _as_base64(vector: bytes) -> str:
    return base64.b64encode(vector).decode("ascii")


def _as_floats(vector: bytes) -> list[float]:
    floats: list[float] = np.frombuffer(vector, "<f4").tolist()
    return floats
