"""GET /openapi.json, /docs and /: the API, for programs and for people. Everything is served from here; nothing needs the net."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import msgspec

from jubako.dataplane.protocol import Plane
from jubako.errors import NotFound
from jubako.http.exchange import Exchange, Header
from jubako.http.openapi import document

PREFIX = "/docs/"
HTML = b"text/html; charset=utf-8"

_ASSETS = {
    "swagger-ui.css": b"text/css; charset=utf-8",
    "swagger-ui-bundle.js": b"text/javascript; charset=utf-8",
    "favicon-light-32x32.png": b"image/png",
}
_INITIALIZER = "initializer.js"

# Swagger UI sets style attributes and draws its icons from data: URLs; scripts come from this server only.
_POLICY: list[Header] = [
    (b"content-security-policy", b"default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:"),
    (b"x-content-type-options", b"nosniff"),
]

# They change with the installed package only, and are large.
_ASSET_HEADERS: list[Header] = [*_POLICY, (b"cache-control", b"max-age=3600")]

_PAGE = b"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>jubako: the API</title>
<link rel="icon" type="image/png" href="docs/favicon-light-32x32.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="api"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/initializer.js"></script>
</body>
</html>
"""

_INITIALIZER_SCRIPT = b"""SwaggerUIBundle({
  url: new URL("openapi.json", document.baseURI).href,
  dom_id: "#api",
  deepLinking: true,
  tryItOutEnabled: true,
  defaultModelsExpandDepth: 0,
  validatorUrl: null,
});
"""

_INDEX = b"""<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>jubako</title></head>
<body>
<h1>jubako</h1>
<ul>
<li><a href="docs">docs</a>: try the API</li>
<li><a href="openapi.json">openapi.json</a>: the API for programs</li>
<li><a href="v1/models">v1/models</a>: what is served</li>
<li><a href="readyz">readyz</a>: what is ready</li>
<li><a href="metrics">metrics</a>: for Prometheus</li>
</ul>
</body>
</html>
"""


async def openapi(exchange: Exchange, plane: Plane) -> None:
    await exchange.answer(msgspec.json.encode(document(plane.models())))


async def page(exchange: Exchange, plane: Plane) -> None:
    await exchange.answer(_PAGE, content_type=HTML, headers=_POLICY)


async def index(exchange: Exchange, plane: Plane) -> None:
    await exchange.answer(_INDEX, content_type=HTML, headers=_POLICY)


async def asset(exchange: Exchange, plane: Plane) -> None:
    name = exchange.path.removeprefix(PREFIX)
    if name == _INITIALIZER:
        await exchange.answer(_INITIALIZER_SCRIPT, content_type=b"text/javascript; charset=utf-8", headers=_POLICY)
    elif (content_type := _ASSETS.get(name)) is not None:
        await exchange.answer(_swagger_ui(name), content_type=content_type, headers=_ASSET_HEADERS)
    else:
        raise NotFound(f"There is no {exchange.path}. The documentation is at /docs.", code="unknown_url")


@cache
def _swagger_ui(name: str) -> bytes:
    """A file of the Swagger UI that BentoML brings."""
    return (files("bentoml") / "_internal" / "server" / "static_content" / name).read_bytes()
