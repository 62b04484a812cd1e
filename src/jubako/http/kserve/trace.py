"""The trace extension: settings that are kept and given back, for tools that set them. Nothing is traced.

https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_trace.md
"""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType, field, structs

from jubako.http.decoding import BodyDecoder
from jubako.http.exchange import Exchange
from jubako.http.kserve.answers import encode
from jubako.http.kserve.models import find
from jubako.http.plane import Plane


class TraceSettings(Struct, frozen=True, kw_only=True):
    """What is in force."""

    trace_file: str = ""
    trace_level: list[str] = field(default_factory=lambda: ["OFF"])
    trace_rate: str = "1000"
    trace_count: str = "-1"
    log_frequency: str = "0"
    trace_mode: str = "triton"


class TraceBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of POST /v2/trace/setting: what is to change. Null takes a setting back to the server's, or the default."""

    trace_file: str | UnsetType | None = UNSET
    trace_level: list[str] | str | UnsetType | None = UNSET
    trace_rate: str | int | UnsetType | None = UNSET
    trace_count: str | int | UnsetType | None = UNSET
    log_frequency: str | int | UnsetType | None = UNSET
    trace_mode: str | UnsetType | None = UNSET


class Tracing:
    """Settings of the server, and of models that differ from it. Its methods are endpoints."""

    def __init__(self) -> None:
        self._server = TraceSettings()
        self._models: dict[str, dict[str, object]] = {}

    async def read(self, exchange: Exchange, plane: Plane) -> None:
        await exchange.answer(encode(self._server))

    async def change(self, exchange: Exchange, plane: Plane) -> None:
        body = _DECODER.decode(await exchange.body())
        defaults = TraceSettings()
        cleared = {name: getattr(defaults, name) for name in _cleared(body)}
        self._server = structs.replace(self._server, **cleared, **_changes(body))
        await exchange.answer(encode(self._server))

    async def read_model(self, exchange: Exchange, plane: Plane) -> None:
        model = find(exchange, plane).model
        await exchange.answer(encode(self._of(model)))

    async def change_model(self, exchange: Exchange, plane: Plane) -> None:
        model = find(exchange, plane).model
        body = _DECODER.decode(await exchange.body())
        cleared = _cleared(body)
        kept = {name: value for name, value in self._models.get(model, {}).items() if name not in cleared}
        self._models[model] = {**kept, **_changes(body)}
        await exchange.answer(encode(self._of(model)))

    def _of(self, model: str) -> TraceSettings:
        return structs.replace(self._server, **self._models.get(model, {}))


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
