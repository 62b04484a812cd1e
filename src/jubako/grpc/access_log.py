"""A line for each call that is over, in the form of those of HTTP."""

from __future__ import annotations

import asyncio
import sys
import time
from datetime import UTC, datetime
from typing import BinaryIO, Final

import msgspec

from jubako.grpc.transport.call import Call
from jubako.settings import Settings

LONGEST_PATH: Final = 200


class AccessLog:
    """Writes text or JSON lines to `out`, or to stderr, all those of one turn of the event loop at once."""

    def __init__(self, settings: Settings, out: BinaryIO | None = None) -> None:
        self._enabled = settings.access_log
        self._render = _as_json if settings.log_format == "json" else _as_text
        self._out = out
        self._lines: list[bytes] = []

    def add(self, call: Call) -> None:
        """Log `call`, whose status is set."""
        if not self._enabled or call.method.probe:
            return
        if not self._lines:
            asyncio.get_running_loop().call_soon(self.flush)
        self._lines.append(self._render(call, time.perf_counter() - call.started))

    def flush(self) -> None:
        lines, self._lines = self._lines, []
        out = self._out if self._out is not None else sys.stderr.buffer
        out.write(b"".join(lines))
        out.flush()


def _path(call: Call) -> str:
    # Escaped, so that no client can forge a line. No method has a longer path, and a client sends one again with a byte.
    return ascii(call.method.path[:LONGEST_PATH])[1:-1]


def _code(call: Call) -> str:
    assert call.status is not None
    return call.status.code


def _as_text(call: Call, duration_s: float) -> bytes:
    line = (
        f"{time.strftime('%H:%M:%S')} gRPC {_path(call)} {_code(call)} {call.sent_bytes}B {duration_s * 1e3:.1f}ms "
        f"{ascii(call.model)[1:-1] or '-'} {call.request_id}"
    )
    if call.trace:
        line += f" trace={call.trace.trace_id}"
    if call.key is not None and call.key.name:
        line += f" key={call.key.name}"
    return f"{line} {call.error}\n".encode() if call.error else f"{line}\n".encode()


def _as_json(call: Call, duration_s: float) -> bytes:
    entry = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "level": "info",
        "logger": "jubako.access",
        "message": f"gRPC {_path(call)} {_code(call)}",
        "method": "gRPC",
        "path": _path(call),
        "status": _code(call),
        "bytes": call.sent_bytes,
        "duration_ms": round(duration_s * 1e3, 3),
        "request_id": call.request_id,
        "trace_id": call.trace.trace_id if call.trace else None,
        "model": call.model or None,
        "key": call.key.name or None if call.key is not None else None,
        "error": call.error or None,
    }
    return msgspec.json.encode(entry) + b"\n"
