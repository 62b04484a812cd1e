"""The model repository extension: what there is, and loading and unloading it. And, after its fashion, aliases of versions.

https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_model_repository.md
"""

from __future__ import annotations

from jubako.dataplane.protocol import Plane
from jubako.errors import Unsupported
from jubako.http.decoding import BodyDecoder
from jubako.http.exchange import Exchange
from jubako.http.kserve.answers import AliasAnswer, IndexedVersion, encode
from jubako.http.kserve.wire import AliasBody, IndexBody, LoadBody
from jubako.messages import VersionState, VersionStatus

_INDEX = BodyDecoder(IndexBody, any_json=False)
_LOAD = BodyDecoder(LoadBody, any_json=False)
_ALIAS = BodyDecoder(AliasBody, any_json=False)

# The protocol has fewer states than we: what can't be asked is unavailable, and the reason says why.
_STATES: dict[VersionState, str] = {
    "LOADING": "LOADING",
    "READY": "READY",
    "UNAVAILABLE": "UNAVAILABLE",
    "FAILED": "UNAVAILABLE",
    "UNLOADED": "UNAVAILABLE",
}


async def index(exchange: Exchange, plane: Plane) -> None:
    body = await exchange.body()
    only_ready = bool(_INDEX.decode(body).ready) if body else False
    versions = [status for status in plane.index() if status.state == "READY" or not only_ready]
    await exchange.answer(encode([_indexed(status) for status in versions]))


async def load(exchange: Exchange, plane: Plane) -> None:
    """Answered once the model can be asked."""
    await _refuse_parameters(
        exchange, "This server loads what the repository's folder has. Change the entry there, then load it without parameters."
    )
    model = exchange.model = exchange.names["model"]
    await plane.load(model)
    await exchange.answer(b"{}")


async def unload(exchange: Exchange, plane: Plane) -> None:
    """Answered once the model's instances are gone."""
    await _refuse_parameters(exchange, "Unload the other models one by one.")
    model = exchange.model = exchange.names["model"]
    await plane.unload(model)
    await exchange.answer(b"{}")


async def set_alias(exchange: Exchange, plane: Plane) -> None:
    """Answered once new requests go to the version."""
    version = _ALIAS.decode(await exchange.body()).version
    model, alias = exchange.names["model"], exchange.names["alias"]
    exchange.model = model
    await plane.set_alias(model, alias, version)
    await exchange.answer(encode(AliasAnswer(model, alias, version)))


async def delete_alias(exchange: Exchange, plane: Plane) -> None:
    exchange.model = exchange.names["model"]
    await plane.delete_alias(exchange.model, exchange.names["alias"])
    await exchange.answer(b"{}")


async def _refuse_parameters(exchange: Exchange, instead: str) -> None:
    """False is what clients write for what they don't ask for."""
    body = await exchange.body()
    parameters = (_LOAD.decode(body).parameters or {}) if body else {}
    for name, value in parameters.items():
        if value is not False:
            raise Unsupported(f"The parameter {name!r} is not supported. {instead}", param=name)


def _indexed(status: VersionStatus) -> IndexedVersion:
    reason = status.reason or ("unloaded" if status.state == "UNLOADED" else "")
    # An entry that could not be read has no version yet.
    version = str(status.version) if status.version else ""
    return IndexedVersion(status.model, version, _STATES[status.state], reason)
