"""The route table: which endpoint answers which method and path."""

from __future__ import annotations

import difflib
import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import unquote

from jubako.access.scope import Access
from jubako.dataplane.protocol import Plane
from jubako.errors import JubakoError, MethodNotAllowed, NotFound, Unauthorized
from jubako.http.exchange import Exchange, Header

Endpoint = Callable[[Exchange, Plane], Awaitable[None]]
"""Answers one exchange. Errors are raised, before or after the answer has begun: the application puts them into words."""

REMEMBERED_TARGETS = 4096
"""Targets whose route is kept at hand. A server of this many models finds each without looking."""

REMEMBERED_BYTES = 512
"""A longer target is looked up each time, so that nobody fills the memory with them."""

_NAME = re.compile(r"\{(\w+(?::path)?)\}")


class Guarded(NamedTuple):
    """An endpoint, and who may ask it."""

    endpoint: Endpoint
    access: Access


@dataclass(frozen=True)
class Route:
    """What is at one path.

    Attributes:
        methods: What answers each method that it takes.
        names: What stands in the path for the ``{names}`` of the route's pattern, decoded.
    """

    methods: dict[str, Guarded]
    names: dict[str, str] = field(default_factory=dict)


class Routes:
    """Exact paths, patterns with ``{names}`` in them, and prefixes whose rest the endpoint reads from ``exchange.path``.

    In a pattern ``{name}`` is one segment of the path, and ``{name:path}`` any number of them, as a model's name may have.
    Looking at patterns in turn costs more than many a small request, so what was found for a target is remembered.
    """

    def __init__(self) -> None:
        self._exact: dict[str, dict[str, Guarded]] = {}
        self._patterns: dict[str, tuple[re.Pattern[str], dict[str, Guarded]]] = {}
        self._prefixes: dict[str, dict[str, Guarded]] = {}
        self._found: dict[bytes, Route] = {}

    def __iter__(self) -> Iterator[tuple[str, str, Access]]:
        """The method, the path and the access of all that was added."""
        patterns = {path: methods for path, (_, methods) in self._patterns.items()}
        for path, methods in (self._exact | patterns | self._prefixes).items():
            for method, guarded in methods.items():
                yield method, path, guarded.access

    def add(self, method: str, path: str, endpoint: Endpoint, access: Access) -> None:
        """Route `path`; with a slash at its end, everything longer that begins with it.

        Of several patterns that fit, the one that was added first is taken.
        """
        methods = self._methods(path)
        methods[method] = Guarded(endpoint, access)
        if method == "GET":
            methods["HEAD"] = methods["GET"]

    def find(self, exchange: Exchange) -> Guarded:
        """What answers a request; what the path names is put into ``exchange.names``.

        Raises:
            NotFound: nothing is at the path.
            MethodNotAllowed: something is, but not for the method.
        """
        target = exchange.target
        route = self._found.get(target) or self._look(exchange.path, target)
        if route is None:
            near = difflib.get_close_matches(exchange.path[:200], self._exact, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise NotFound(
                f"Unknown request URL: {exchange.method} {exchange.path}.{hint} See /docs for what there is.", code="unknown_url"
            )
        if (guarded := route.methods.get(exchange.method)) is None:
            raise MethodNotAllowed(
                f"{exchange.path} does not take {exchange.method}. Use {' or '.join(route.methods)}.", code="method_not_allowed"
            )
        exchange.names = route.names
        return guarded

    def headers_of(self, error: JubakoError, exchange: Exchange) -> list[Header]:
        """The headers that HTTP wants on `error`."""
        headers = []
        if isinstance(error, MethodNotAllowed):
            route = self._look(exchange.path, exchange.target)
            headers.append((b"allow", ", ".join(route.methods if route else ()).encode("ascii")))
        if isinstance(error, Unauthorized):
            headers.append((b"www-authenticate", b"Bearer"))
        if error.retry_after_s is not None:
            headers.append((b"retry-after", b"%d" % max(1, round(error.retry_after_s))))
        return headers

    def _methods(self, path: str) -> dict[str, Guarded]:
        """The table of a path, whichever of the three kinds it is."""
        if "{" in path:
            return self._patterns.setdefault(path, (_compile(path), {}))[1]
        if path.endswith("/") and path != "/":
            return self._prefixes.setdefault(path, {})
        return self._exact.setdefault(path, {})

    def _look(self, path: str, target: bytes) -> Route | None:
        route = self._route(path, target)
        if route is not None and len(target) <= REMEMBERED_BYTES:
            if len(self._found) >= REMEMBERED_TARGETS:
                self._found.clear()
            self._found[target] = route
        return route

    def _route(self, path: str, target: bytes) -> Route | None:
        if (methods := self._exact.get(path)) is not None:
            return Route(methods)
        # Percent-encoded still, so that a slash which belongs to a name is no slash of the path.
        encoded = target.decode("latin-1")
        for pattern, methods in self._patterns.values():
            if found := pattern.fullmatch(encoded):
                return Route(methods, {name: unquote(value) for name, value in found.groupdict().items()})
        for prefix, methods in self._prefixes.items():
            if path.startswith(prefix) and len(path) > len(prefix):
                return Route(methods)
        return None


def _compile(path: str) -> re.Pattern[str]:
    """A pattern such as ``/models/{model:path}/ready`` as a regular expression."""
    words = _NAME.split(path)
    return re.compile("".join(_group(word) if i % 2 else re.escape(word) for i, word in enumerate(words)))


def _group(name: str) -> str:
    name, colon, _ = name.partition(":")
    return f"(?P<{name}>.+?)" if colon else f"(?P<{name}>[^/]+)"
