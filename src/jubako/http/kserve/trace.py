"""The trace extension over HTTP, see :mod:`jubako.kserve.trace`."""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType

from jubako.dataplane.protocol import Plane
from jubako.http.decoding import BodyDecoder
from jubako.http.exchange import Exchange
from jubako.http.kserve.answers import encode
from jubako.http.kserve.models import find
from jubako.kserve.trace import Tracing


class TraceBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of POST /v2/trace/setting: what is to change. Null takes a setting back to the server's, or the default."""

    trace_file: str | UnsetType | None = UNSET
    trace_level: list[str] | str | UnsetType | None = UNSET
    trace_rate: str | int | UnsetType | None = UNSET
    trace_count: str | int | UnsetType | None = UNSET
    log_frequency: str | int | UnsetType | None = UNSET
    trace_mode: str | UnsetType | None = UNSET


class TraceEndpoints:
    """The extension's routes over the settings that `tracing` keeps."""

    def __init__(self, tracing: Tracing) -> None:
        self._tracing = tracing

    async def read(self, exchange: Exchange, plane: Plane) -> None:
        await exchange.answer(encode(self._tracing.settings()))

    async def change(self, exchange: Exchange, plane: Plane) -> None:
        body = _DECODER.decode(await exchange.body())
        await exchange.answer(encode(self._tracing.change(_changes(body), _cleared(body))))

    async def read_model(self, exchange: Exchange, plane: Plane) -> None:
        await exchange.answer(encode(self._tracing.settings(find(exchange, plane).model)))

    async def change_model(self, exchange: Exchange, plane: Plane) -> None:
        model = find(exchange, plane).model
        body = _DECODER.decode(await exchange.body())
        await exchange.answer(encode(self._tracing.change(_changes(body), _cleared(body), model)))


def _changes(body: TraceBody) -> dict[str, object]:
    """The fields that have values, as the answer writes them."""
    changes: dict[str, object] = {}
    for name in body.__struct_fields__:
        value = getattr(body, name)
        if name == "trace_level" and isinstance(value, str):
            changes[name] = [value]
        elif value is not None and value is not UNSET:
            changes[name] = value if isinstance(value, list) else str(value)
    return changes


def _cleared(body: TraceBody) -> list[str]:
    return [name for name in body.__struct_fields__ if getattr(body, name) is None]


_DECODER = BodyDecoder(TraceBody, any_json=False)
