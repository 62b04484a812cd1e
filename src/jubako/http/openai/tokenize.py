"""POST /tokenize and /detokenize, in vLLM's shapes."""

from __future__ import annotations

from jubako.dataplane.protocol import Plane
from jubako.http.decoding import BodyDecoder
from jubako.http.exchange import Exchange
from jubako.http.openai.answers import Detokenized, Tokenized, encode
from jubako.http.openai.wire import DetokenizeBody, TokenizeBody

_TOKENIZE = BodyDecoder(TokenizeBody)
_DETOKENIZE = BodyDecoder(DetokenizeBody)


async def tokenize(exchange: Exchange, plane: Plane) -> None:
    body = _TOKENIZE.decode(await exchange.json_body())
    exchange.model = plane.model(body.model).model
    request = body.request()
    with exchange.watch():
        result = await plane.tokenize(request, exchange.caller)
    pieces = result.pieces if request.with_pieces else None
    await exchange.answer(encode(Tokenized(result.tokens, len(result.tokens), result.context_length, pieces)))


async def detokenize(exchange: Exchange, plane: Plane) -> None:
    body = _DETOKENIZE.decode(await exchange.json_body())
    exchange.model = plane.model(body.model).model
    with exchange.watch():
        result = await plane.detokenize(body.request(), exchange.caller)
    await exchange.answer(encode(Detokenized(result.text)))
