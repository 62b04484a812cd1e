"""One upstream: where it is, what is sent with each request, and how it fares."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Mapping
from urllib.request import getproxies, proxy_bypass

from multidict import CIMultiDict
from yarl import URL

from jubako import __version__
from jubako.backends.upstream.breaker import CircuitBreaker
from jubako.backends.upstream.params import TargetConfig, UpstreamParams
from jubako.backends.upstream.presets import Preset
from jubako.backends.upstream.secret import Redaction, Secret, from_environment
from jubako.errors import ConfigurationError

_SECRET_HEADERS = {"authorization", "proxy-authorization", "api-key", "x-api-key", "x-goog-api-key", "cookie"}
_SECRET_QUERIES = {"key", "api_key", "api-key", "apikey", "token", "access_token", "sig", "signature"}


class Target:
    """One upstream of an entry. `own` is what it says for itself, if the entry has several.

    Attributes:
        name: Host and port, for messages and metrics.
        model: What it calls the model.
        in_flight: Requests that are being answered.
        outcomes: How many requests ended with which status, ``error`` standing for none.

    Raises:
        ConfigurationError: a URL is none, a secret is missing or stands in the entry.
    """

    def __init__(
        self,
        params: UpstreamParams,
        own: TargetConfig | None,
        preset: Preset,
        redaction: Redaction,
        *,
        model: str,
        headers: Mapping[str, str],
    ) -> None:
        said = _Said(params, own)
        self._base = _base_url(said.base_url or preset.base_url, preset)
        self._query = _checked_query(said.query)
        self._key_header = preset.key_header
        self._secret = _secret(said, preset, redaction)
        self._fixed = _fixed_headers(said, headers, redaction)
        self._key = ""
        self._headers: dict[str, CIMultiDict[str]] = {}
        self._urls: dict[str, URL] = {}
        self.proxy, authorization = _proxy(said.proxy, self._base, redaction)
        self.proxy_headers: dict[str, str] | None = None
        if authorization and self._base.scheme == "https":
            # The proxy only makes a tunnel: what is for it must not travel through that.
            self.proxy_headers = {"Proxy-Authorization": authorization}
        elif authorization:
            self._fixed["Proxy-Authorization"] = authorization
        self.name = f"{self._base.host}:{self._base.port}" if not self._base.is_default_port() else str(self._base.host)
        self.model = said.model or model
        self.weight = own.weight if own is not None else 1.0
        self.breaker = CircuitBreaker(self.name, params.circuit.failures, params.circuit.open_s)
        self.in_flight = 0
        self.outcomes: Counter[str] = Counter()

    def url(self, path: str) -> URL:
        """The URL of a path of the API; ``../`` goes out of the base URL's last part."""
        if (url := self._urls.get(path)) is None:
            base, rest = self._base, path
            while rest.startswith("../"):
                base, rest = base.parent, rest.removeprefix("../")
            url = self._urls[path] = (base / rest).with_query(self._query or None)
        return url

    def headers(self, accept: str) -> CIMultiDict[str]:
        """All headers of a request, the key as it is now among them. The caller must not change them."""
        if self._secret is not None and (key := self._secret.value()) != self._key:
            self._key = key
            self._headers.clear()
        if (headers := self._headers.get(accept)) is None:
            # Uncompressed: what a compressor holds back would be held back from the caller.
            headers = CIMultiDict({"Content-Type": "application/json", "Accept": accept, "Accept-Encoding": "identity"})
            headers.update(self._fixed)
            if self._key:
                bearer = self._key_header == "bearer"
                headers["Authorization" if bearer else self._key_header] = f"Bearer {self._key}" if bearer else self._key
            self._headers[accept] = headers
        return headers


def looks_secret(name: str) -> bool:
    """Whether a parameter of this name usually holds a key."""
    return name.lower() in _SECRET_QUERIES


class _Said:
    """What an entry says of one upstream: its own words, else the entry's."""

    def __init__(self, params: UpstreamParams, own: TargetConfig | None) -> None:
        self.base_url = own.base_url if own else params.base_url
        self.model = (own.model if own else None) or params.model
        has_key = own is not None and bool(own.api_key_env or own.api_key_file)
        self.api_key_env = own.api_key_env if own and has_key else params.api_key_env
        self.api_key_file = own.api_key_file if own and has_key else params.api_key_file
        self.headers = params.headers if own is None or own.headers is None else own.headers
        self.headers_env = params.headers_env if own is None or own.headers_env is None else own.headers_env
        self.query = params.query if own is None or own.query is None else own.query
        self.proxy = params.proxy if own is None or own.proxy is None else own.proxy


def _secret(said: _Said, preset: Preset, redaction: Redaction) -> Secret | None:
    if said.api_key_file:
        if said.api_key_env:
            raise ConfigurationError("The entry names both `api_key_env` and `api_key_file`. Leave one of them out.")
        return Secret(redaction, file=said.api_key_file)
    variable = said.api_key_env or preset.api_key_env
    return Secret(redaction, variable=variable) if variable else None


def _fixed_headers(said: _Said, headers: Mapping[str, str], redaction: Redaction) -> dict[str, str]:
    fixed = {"User-Agent": f"jubako/{__version__}", **headers}
    for name, value in said.headers.items():
        if name.lower() in _SECRET_HEADERS:
            raise ConfigurationError(
                f"The header {name!r} is a secret, so its value must not stand in the entry. Put it into an environment variable "
                "and name that under `headers_env`, or use `api_key_env`."
            )
        if not (value.isascii() and value.isprintable()):
            raise ConfigurationError(f"The value of the header {name!r} must be one line of ASCII.")
        fixed[name] = value
    return fixed | {name: from_environment(variable, redaction) for name, variable in said.headers_env.items()}


def _base_url(text: str, preset: Preset) -> URL:
    if not text:
        raise ConfigurationError(f"Say in the entry where {preset.title} is: `base_url`, such as https://example.com/v1.")
    try:
        url = URL(text.rstrip("/"))
    except ValueError:
        url = URL("")
    if url.scheme not in ("http", "https") or not url.host:
        raise ConfigurationError("`base_url` must be a URL that begins with http:// or https://, such as https://example.com/v1.")
    if url.user is not None or url.password is not None:
        raise ConfigurationError("`base_url` must not hold a user or a password: use `api_key_env` or `headers_env`.")
    if url.query_string or url.fragment:
        raise ConfigurationError("`base_url` must not have a `?` or a `#`: parameters of the query go under `query`.")
    return url


def _checked_query(query: Mapping[str, str]) -> dict[str, str]:
    for name in query:
        if looks_secret(name):
            raise ConfigurationError(
                f"The query parameter {name!r} looks like a secret, which must not stand in an entry. Send the key in a header, "
                "with `api_key_env` or `headers_env`."
            )
    return dict(query)


def _proxy(said: str | None, base: URL, redaction: Redaction) -> tuple[URL | None, str]:
    """The proxy for an upstream, and how to authorize there."""
    if said == "none":
        return None, ""
    proxy = said
    if proxy is None:
        if proxy_bypass(f"{base.host}:{base.port}"):
            return None, ""
        proxies = getproxies()
        proxy = proxies.get(base.scheme) or proxies.get("all")
    if not proxy:
        return None, ""
    url = URL(proxy if "://" in proxy else f"http://{proxy}")
    if url.scheme not in ("http", "https") or not url.host:
        raise ConfigurationError("Only HTTP proxies can be used: `proxy` must be a URL that begins with http://.")
    if url.user is None:
        return url, ""
    if said is not None:
        raise ConfigurationError(
            "`proxy` must not hold a user or a password. Set the environment variable HTTPS_PROXY or HTTP_PROXY instead."
        )
    password = url.password or ""
    credentials = base64.b64encode(f"{url.user}:{password}".encode()).decode()
    redaction.hide(password)
    redaction.hide(credentials)
    return url.with_user(None), f"Basic {credentials}"
