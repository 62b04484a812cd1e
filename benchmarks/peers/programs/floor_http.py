"""A V2 echo with no server behind it: `bare` is plain ASGI with orjson, `app` is Starlette with the standard library's JSON."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


def _answer(body: dict[str, Any]) -> dict[str, Any]:
    return {"model_name": "echo", "outputs": [{**body["inputs"][0], "name": "OUTPUT0"}]}


async def _infer(request: Request) -> JSONResponse:
    return JSONResponse(_answer(await request.json()))


app = Starlette(routes=[Route("/v2/models/echo/infer", _infer, methods=["POST"])])


async def bare(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    answer = orjson.dumps(_answer(orjson.loads(body)))
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})
