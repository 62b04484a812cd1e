"""What an upstream's refusals and faults mean for the caller here."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

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


class Asked(NamedTuple):
    """Who was asked for what, for messages."""

    upstream: str
    model: str


def failure_of(status: int, body: bytes, retry_after_header: str | None, asked: Asked, redact: Redaction) -> Failure:
    """The failure that an answer with an error's status is."""
    said = complaint(body, redact)
    if not said.message:
        said = msgspec.structs.replace(said, message=f"it gives no reason (status {status})")
    wait_s = retry_after(retry_after_header)
    if status >= 500:
        return _fault(status, said, wait_s, asked)
    if status in (400, 413, 422):
        return Failure(_refusal(status, said))
    return _trouble(status, said, wait_s, asked)


def _refusal(status: int, said: Complaint) -> JubakoError:
    """The caller's request is at fault."""
    if is_too_long(said):
        return PromptTooLong(said.message, param=said.param)
    if status == 413:
        return PayloadTooLarge(said.message)
    return InvalidRequest(said.message, param=said.param, code=said.code)


def _fault(status: int, said: Complaint, wait_s: float | None, asked: Asked) -> Failure:
    """The upstream is at fault."""
    error: JubakoError
    if status == 504:
        error = _too_slow(said, asked)
    elif status in (503, 529):
        error = UpstreamUnavailable(f"The upstream {asked.upstream} is overloaded or down: {said.message}", retry_after_s=wait_s)
    else:
        error = UpstreamFailed(f"The upstream {asked.upstream} failed with status {status}: {said.message}", retry_after_s=wait_s)
    return Failure(error, again=True, broken=True)


def _trouble(status: int, said: Complaint, wait_s: float | None, asked: Asked) -> Failure:
    """What lies between this server and the upstream is at fault: the key, the URL, the account, the rate."""
    match status:
        case 401 | 403:
            error: JubakoError = UpstreamFailed(
                f"The upstream {asked.upstream} refused this server's own key (status {status}). Whoever runs this server must "
                f"mend it; a caller can't. It says: {said.message}",
                code="upstream_key_refused",
            )
        case 404:
            error = ModelNotFound(
                f"The upstream {asked.upstream} has no model {asked.model!r}, or nothing at that URL; `model` and `base_url` of "
                f"the entry decide it. It says: {said.message}"
            )
        case 408:
            return Failure(_too_slow(said, asked), again=True)
        case 409:
            error = UpstreamFailed(f"The upstream {asked.upstream} answers with status 409: {said.message}")
            return Failure(error, again=True)
        case 429:
            error = Overloaded(
                f"The upstream {asked.upstream} takes no more requests for now: {said.message}",
                code="upstream_rate_limited",
                retry_after_s=wait_s,
            )
            # An account without money is not helped by waiting.
            return Failure(error, again=said.code != "insufficient_quota", elsewhere=True)
        case _ if status < 400:
            error = UpstreamFailed(
                f"The upstream {asked.upstream} sends elsewhere (status {status}), which is not followed. Mend `base_url`."
            )
        case _:
            error = UpstreamFailed(f"The upstream {asked.upstream} answers with status {status}: {said.message}")
    return Failure(error, elsewhere=True)


def _too_slow(said: Complaint, asked: Asked) -> DeadlineExceeded:
    return DeadlineExceeded(f"The upstream {asked.upstream} took too long: {said.message}", code="upstream_timeout")


def is_too_long(said: Complaint) -> bool:
    return said.code == "context_length_exceeded" or bool(_TOO_LONG.search(said.message))


def _shown(text: str, redact: Redaction) -> str:
    text = " ".join(redact(text).split())
    return text if len(text) <= _LONGEST else text[:_LONGEST] + " ..."


def _text(value: object, redact: Redaction) -> str | None:
    return redact(str(value))[:200] if isinstance(value, str | int) and not isinstance(value, bool) else None
