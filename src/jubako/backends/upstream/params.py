"""``engine:`` of a model.yaml whose model runs on another server: what all protocols share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Gt, Le, MinLen

from jubako.repository.config import CLOSED

_NO_KEY = (
    "a key never stands in an entry. Put it into an environment variable or a file, and name that with `api_key_env` "
    "or `api_key_file`."
)
_REFUSED = dict.fromkeys(("api_key", "key", "token", "api_token"), _NO_KEY)


@dataclass(frozen=True, kw_only=True)
class RetryConfig:
    """When a request is asked again. Nothing is, once the caller has had a part of the answer."""

    __pydantic_config__ = CLOSED

    max: Annotated[int, Ge(0), Le(20)] = 2
    """Most times that a request is asked again after a failed connection or a status of 408, 409, 429 or 5xx. Default 2."""

    base_s: Annotated[float, Gt(0)] = 0.5
    """The first wait is drawn between nothing and this many seconds, each further one between nothing and twice as much. A
    ``Retry-After`` of the upstream is honoured instead. Default 0.5."""

    cap_s: Annotated[float, Gt(0)] = 20.0
    """Longest wait, in seconds; if the upstream asks for a longer one, the caller is told that at once. Default 20."""

    budget: Annotated[float, Ge(0), Le(1)] = 0.2
    """Retries as a part of all requests, beyond the first ten: 0.2 lets a broken upstream see at most a fifth more requests.
    Default 0.2."""


@dataclass(frozen=True, kw_only=True)
class CircuitConfig:
    """When an upstream is left alone for a while."""

    __pydantic_config__ = CLOSED

    failures: Annotated[int, Ge(1)] = 5
    """So many failures one after the other open the circuit: nothing is sent to that upstream. Default 5."""

    open_s: Annotated[float, Gt(0)] = 15.0
    """After so many seconds one request is sent as a trial: if it is answered, the circuit closes. Default 15."""


@dataclass(frozen=True, kw_only=True)
class TargetConfig:
    """One of several upstreams of one model. What it leaves out is as the entry says."""

    __pydantic_config__ = CLOSED
    __refused__: ClassVar[dict[str, str]] = _REFUSED

    base_url: Annotated[str, MinLen(1)]
    """As `base_url` of the entry. Required."""

    weight: Annotated[float, Gt(0)] = 1.0
    """Its part of the requests, relative to the others'. Default 1."""

    model: str | None = None
    """What this upstream calls the model. Default: as the entry says."""

    api_key_env: str | None = None
    """The environment variable that holds its key. Default: as the entry says."""

    api_key_file: str | None = None
    """The file that holds its key. Default: as the entry says."""

    headers: dict[str, str] | None = None
    """More headers. Default: as the entry says."""

    headers_env: dict[str, str] | None = None
    """More headers, from environment variables. Default: as the entry says."""

    query: dict[str, str] | None = None
    """More query parameters. Default: as the entry says."""

    proxy: str | None = None
    """The HTTP proxy. Default: as the entry says."""


@dataclass(frozen=True, kw_only=True)
class UpstreamParams:
    """How another server is asked."""

    __pydantic_config__ = CLOSED
    __refused__: ClassVar[dict[str, str]] = _REFUSED

    provider: str | None = None
    """Whose server it is, such as ``deepseek``: decides the URL, the variable of the key, and which fields it takes; see
    `docs/upstreams.md` for all of them. Default: the provider whose protocol it is, or, with `base_url`, none in particular."""

    base_url: str | None = None
    """Where the API begins, such as ``http://127.0.0.1:8000/v1``. Default: the provider's."""

    model: str | None = None
    """What the upstream calls the model. Default: the entry's own name."""

    api_key_env: str | None = None
    """The environment variable that holds the key. The key itself never stands in an entry. Default: the provider's usual one."""

    api_key_file: str | None = None
    """A file that holds the key and nothing else; it is read again whenever it changes. Default: `api_key_env` is used."""

    headers: dict[str, str] = field(default_factory=dict)
    """More headers of each request; none that is a secret. Default: none."""

    headers_env: dict[str, str] = field(default_factory=dict)
    """More headers, each with the name of the environment variable that holds its value: for those that are secrets.
    Default: none."""

    query: dict[str, str] = field(default_factory=dict)
    """More query parameters of each request, such as Azure's ``api-version``. Default: none."""

    extra_body: dict[str, Any] = field(default_factory=dict)
    """More fields of the body of each request, such as ``{enable_thinking: false}``. Default: none."""

    proxy: str | None = None
    """URL of an HTTP proxy; ``none`` goes without one. Default: the environment's ``HTTPS_PROXY``, ``HTTP_PROXY`` and
    ``NO_PROXY``."""

    ca_file: str | None = None
    """A PEM file with the certificates that may sign the upstream's own. Default: the system's."""

    connect_timeout_s: Annotated[float, Gt(0)] = 10.0
    """Longest that connecting may take, in seconds. Default 10."""

    first_byte_timeout_s: Annotated[float, Gt(0)] = 300.0
    """Longest wait for the beginning of a streamed answer, in seconds. Default 300."""

    idle_timeout_s: Annotated[float, Gt(0)] = 60.0
    """Longest that a streamed answer may pause, in seconds. Default 60."""

    timeout_s: Annotated[float, Gt(0)] = 600.0
    """Longest that an answer may take from the request to its last byte, in seconds; also the longest wait for the rate limits
    where `limits.queue_timeout_s` names none. Default 600."""

    retries: RetryConfig = field(default_factory=RetryConfig)
    """When a request is asked again."""

    circuit: CircuitConfig = field(default_factory=CircuitConfig)
    """When an upstream is left alone."""

    requests_per_minute: Annotated[float, Gt(0)] | None = None
    """Most requests that each instance sends in a minute; more wait. Default: no limit."""

    tokens_per_minute: Annotated[float, Gt(0)] | None = None
    """Most tokens of prompts and answers that each instance asks for in a minute; more wait. They are estimated before and
    counted after. Default: no limit."""

    upstreams: list[TargetConfig] = field(default_factory=list)
    """Several upstreams of this one model, instead of `base_url`. Default: one."""

    balance: Literal["least_loaded", "weighted", "in_order"] = "least_loaded"
    """Which of several upstreams is asked: the one with the fewest requests in flight for its weight, each in turn by its
    weight, or the first that answers. Where one fails, another is tried. Default ``least_loaded``."""

    probe_interval_s: Annotated[float, Gt(0)] | None = None
    """Ask each upstream for its list of models every so many seconds, so that a dead one is known before a request meets it.
    Default: never; only requests tell."""

    context_length: Annotated[int, Ge(1)] | None = None
    """Tokens that a request and its answer may hold together, as callers are shown; the upstream itself checks it.
    Default: not shown."""
