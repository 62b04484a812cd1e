"""Log lines: text for people, JSON objects for collectors. Both on stderr, one line an event."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime

import msgspec

from jubako.settings import Settings

FIELDS = "fields"
"""``extra={FIELDS: {...}}`` on a log call adds these keys to a JSON line, and nothing to a text line."""


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (RFC 3339, UTC), level, logger, message, and the event's own fields."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        entry.update(getattr(record, FIELDS, {}))
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return msgspec.json.encode(entry).decode()


def configure_logging(settings: Settings) -> None:
    """Send this process's log to stderr in the form that the settings ask for."""
    handler = logging.StreamHandler(sys.stderr)
    if settings.log_format == "json":
        handler.setFormatter(JsonFormatter())
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S"))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level.upper())
    for name in ("uvicorn", "uvicorn.access", "uvicorn.error", "bentoml", "httpx"):
        logger = logging.getLogger(name)
        logger.handlers = []
        logger.propagate = True
    # News only when something is wrong.
    for name in ("uvicorn.error", "bentoml", "httpx"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # Our own access log replaces uvicorn's, which is off where nobody hears it.
    logging.getLogger("uvicorn.access").propagate = False
