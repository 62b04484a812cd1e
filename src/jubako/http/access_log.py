"""A line for each answered request."""

from __future__ import annotations

import asyncio
import sys
import time
from datetime import UTC, datetime
from typing import BinaryIO

import msgspec

from jubako.http.exchange import Exchange
from jubako.settings import Settings

CLIENT_CLOSED_REQUEST = 499
"""The status logged, after nginx, for a request whose client left before it was answered. It is never sent."""


class AccessLog:
    """Writes text or JSON lines to `out`, or to stderr, all those of one turn of the event loop at once.

    Ready-made lines instead of :mod:`logging`, whose records cost a tenth of a small request.
    """

    def __init__(self, settings: Settings, out: BinaryIO | None = None) -> None:
        self._enabled = settings.access_log
        self._render = _as_json if settings.log_format == "json" else _as_text
        self._out = out
        self._lines: list[bytes] = []

    def add(self, exchange: Exchange, duration_s: float) -> None:
        """Log `exchange`, which is over."""
        if not self._enabled or exchange.is_probe:
            return
        if not self._lines:
            asyncio.get_running_loop().call_soon(self.flush)
        self._lines.append(self._render(exchange, exchange.status or CLIENT_CLOSED_REQUEST, duration_s))

    def flush(self) -> None:
        lines, self._lines = self._lines, []
        out = self._out if self._out is not None else sys.stderr.buffer
        out.write(b"".join(lines))
        out.flush()


def _target(exchange: Exchange) -> str:
    # The raw path is still percent-encoded, so that no client can forge a line.
    raw: bytes = exchange.scope.get("raw_path") or exchange.path.encode("ascii", "backslashreplace")
    return ascii(raw.decode("latin-1"))[1:-1]


def _as_text(exchange: Exchange, status: int, duration_s: float) -> bytes:
    line = (
        f"{time.strftime('%H:%M:%S')} {exchange.method} {_target(exchange)} {status} {exchange.bytes_sent}B "
        f"{duration_s * 1e3:.1f}ms {exchange.model or '-'} {exchange.request_id}"
    )
    if exchange.trace:
        line += f" trace={exchange.trace.trace_id}"
    if exchange.key:
        line += f" key={exchange.key}"
    return f"{line} {exchange.error}\n".encode() if exchange.error else f"{line}\n".encode()


def _as_json(exchange: Exchange, status: int, duration_s: float) -> bytes:
    entry = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "level": "info",
        "logger": "jubako.access",
        "message": f"{exchange.method} {_target(exchange)} {status}",
        "method": exchange.method,
        "path": _target(exchange),
        "status": status,
        "bytes": exchange.bytes_sent,
        "duration_ms": round(duration_s * 1e3, 3),
        "request_id": exchange.request_id,
        "trace_id": exchange.trace.trace_id if exchange.trace else None,
        "model": exchange.model or None,
        "key": exchange.key or None,
        "error": exchange.error or None,
    }
    return msgspec.json.encode(entry) + b"\n"
