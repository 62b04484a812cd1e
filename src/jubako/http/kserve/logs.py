"""The logging extension over HTTP, see :mod:`jubako.kserve.logs`."""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType, structs

from jubako.dataplane.protocol import Plane
from jubako.http.decoding import BodyDecoder
from jubako.http.exchange import Exchange
from jubako.http.kserve.answers import encode
from jubako.kserve.logs import LogSettings


class LogBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of POST /v2/logging: what is to change."""

    log_file: str | UnsetType = UNSET
    log_info: bool | UnsetType = UNSET
    log_warning: bool | UnsetType = UNSET
    log_error: bool | UnsetType = UNSET
    log_verbose_level: int | UnsetType = UNSET
    log_format: str | UnsetType = UNSET


_DECODER = BodyDecoder(LogBody, any_json=False)


async def read(exchange: Exchange, plane: Plane) -> None:
    await exchange.answer(encode(LogSettings.now()))


async def change(exchange: Exchange, plane: Plane) -> None:
    body = _DECODER.decode(await exchange.body())
    given = {name: value for name in body.__struct_fields__ if (value := getattr(body, name)) is not UNSET}
    structs.replace(LogSettings.now(), **given).apply()
    await exchange.answer(encode(LogSettings.now()))
