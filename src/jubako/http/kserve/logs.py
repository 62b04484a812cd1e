"""The logging extension: which lines this process of the server writes to its log.

https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_logging.md
"""

from __future__ import annotations

import logging

from msgspec import UNSET, Struct, UnsetType

from jubako.errors import Unsupported
from jubako.http.decoding import BodyDecoder
from jubako.http.exchange import Exchange
from jubako.http.kserve.answers import encode
from jubako.http.plane import Plane


class LogSettings(Struct, frozen=True, kw_only=True):
    """What is in force. Levels are nested here: errors are written wherever warnings are, and warnings wherever info is."""

    log_file: str = ""
    log_info: bool
    log_warning: bool
    log_error: bool
    log_verbose_level: int
    log_format: str = "default"

    @classmethod
    def now(cls) -> LogSettings:
        level = logging.getLogger().level
        return cls(
            log_info=level <= logging.INFO,
            log_warning=level <= logging.WARNING,
            log_error=level <= logging.ERROR,
            log_verbose_level=int(level <= logging.DEBUG),
        )


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
    if body.log_file not in (UNSET, ""):
        raise Unsupported("The log goes to stderr; 'log_file' can't be set.", param="log_file")
    if body.log_format not in (UNSET, "default"):
        raise Unsupported(
            "The form of log lines is set when the server starts: jubako serve --log-format text or json.", param="log_format"
        )
    logging.getLogger().setLevel(_level(LogSettings.now(), body))
    await exchange.answer(encode(LogSettings.now()))


def _level(now: LogSettings, body: LogBody) -> int:
    """The least severe level that is wanted."""
    wanted = [
        (logging.DEBUG, body.log_verbose_level, now.log_verbose_level),
        (logging.INFO, body.log_info, now.log_info),
        (logging.WARNING, body.log_warning, now.log_warning),
        (logging.ERROR, body.log_error, now.log_error),
    ]
    return next((level for level, asked, current in wanted if (current if asked is UNSET else asked)), logging.CRITICAL)
