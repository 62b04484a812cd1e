"""What an upstream's refusals and faults mean for the caller here."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from jubako.backends.upstream.retry import retry_after
from jubako.backends.upstream.secret import Redaction
from jubako.errors import (
    DeadlineExceeded,
    InvalidRequest,
    JubakoError,
    ModelNotFound,
    Overloaded,
    PayloadTooLarge,
    PromptTooLong,
    UpstreamFailed,
    UpstreamUnavailable,
)

_LONGEST = 1000
"""Characters of an upstream's message that are passed on."""

_TOO_LONG = re.compile(
    r"maximum context length|context_length|context length|context window|context size|prompt is too long|range of input length",
    re.IGNORECASE,
)


class Failure(Exception):
    """One attempt that failed.

    Attributes:
        error: What the caller is told if no other attempt is made.
        again: Asking the same upstream again may help.
        elsewhere: Asking another upstream may help.
        broken: The upstream is at fault, which its circuit breaker should know.
    """

    def __init__(self, error: JubakoError, *, again: bool = False, elsewhere: bool = False, broken: bool = False) -> None:
        super().__init__(error.message)
        self.error = error
        self.again = again
        self.elsewhere = elsewhere or again
        self.broken = broken


class Complaint(msgspec.Struct, frozen=True):
    """What an upstream says is wrong, without secrets."""

    message: str
    param: str | None = None
    code: str | None = None
    type: str | None = None


def complaint(body: bytes, redact: Redaction) -> Complaint:
    """What an error's body says: OpenAI's and Anthropic's ``error``, FastAPI's ``detail``, a plain ``message``, or text."""
    try:
        said: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Complaint(_shown(body.decode("utf-8", "replace"), redact))
    return complaint_of(said, redact)


def complaint_of(said: Any, redact: Redaction) -> Complaint:
    """As :func:`complaint`, of JSON that was decoded."""
    fields = said if isinstance(said, dict) else {"message": said}
    inner = fields.get("error", fields)
    if not isinstance(inner, dict):
        inner = {"message": inner}
    message = inner.get("message") or inner.get("detail") or fields.get("detail") or inner.get("msg") or ""
    if not isinstance(message, str):
        message = msgspec.json.encode(message).decode()
    return Complaint(
        _shown(message, redact),
        _text(inner.get("param"), redact),
        _text(inner.get("code"), redact),
        _text(inner.get("type"), redact),
    )


def failure_of(status: int, body: bytes, retry_after_header: str | None, target: str, model: str, redact: Redaction) -> Failure:
    """The failure that an answer with an error's status is."""
    said = complaint(body, redact)
    wait_s = retry_after(retry_after_header)
    message = said.message or f"The upstream answers with status {status} and no word why."
    match status:
        case 400 | 422 if is_too_long(said):
            return Failure(PromptTooLong(message, param=said.param))
        case 400 | 422:
            return Failure(InvalidRequest(message, param=said.param, code=said.code))
        case 401 | 403:
            return Failure(
                UpstreamFailed(
                    f"The upstream {target} refused this server's own key (status {status}). Whoever runs this server must "
                    f"mend it; a caller can't. It says: {message}",
                    code="upstream_key_refused",
                ),
                elsewhere=True,
            )
        case 404:
            return Failure(
                ModelNotFound(
                    f"The upstream {target} has no model {model!r}, or nothing at that URL; `model` and `base_url` of the entry "
                    f"decide it. It says: {message}"
                ),
                elsewhere=True,
            )
        case 413:
            return Failure(PayloadTooLarge(message))
        case 408 | 504:
            error: JubakoError = DeadlineExceeded(f"The upstream {target} took too long: {message}", code="upstream_timeout")
            return Failure(error, again=True, broken=status == 504)
        case 409:
            return Failure(UpstreamFailed(f"The upstream {target} answers with status 409: {message}"), again=True)
        case 429:
            error = Overloaded(
                f"The upstream {target} takes no more requests for now: {message}",
                code="upstream_rate_limited",
                retry_after_s=1.0 if wait_s is None else wait_s,
            )
            # An account without money is not helped by waiting.
            return Failure(error, again=said.code != "insufficient_quota", elsewhere=True)
        case 503 | 529:
            error = UpstreamUnavailable(f"The upstream {target} is overloaded or down: {message}", retry_after_s=wait_s)
            return Failure(error, again=True, broken=True)
        case _ if status >= 500:
            return Failure(
                UpstreamFailed(f"The upstream {target} failed with status {status}: {message}", retry_after_s=wait_s),
                again=True,
                broken=True,
            )
        case _ if 300 <= status < 400:
            return Failure(
                UpstreamFailed(
                    f"The upstream {target} sends elsewhere (status {status}), which is not followed; mend `base_url`."
                ),
                elsewhere=True,
            )
    return Failure(UpstreamFailed(f"The upstream {target} answers with status {status}: {message}"), elsewhere=True)


def is_too_long(said: Complaint) -> bool:
    return said.code == "context_length_exceeded" or bool(_TOO_LONG.search(said.message))


def _shown(text: str, redact: Redaction) -> str:
    text = " ".join(redact(text).split())
    return text if len(text) <= _LONGEST else text[:_LONGEST] + " ..."


def _text(value: object, redact: Redaction) -> str | None:
    return redact(str(value))[:200] if isinstance(value, str | int) and not isinstance(value, bool) else None
