"""The route table: which endpoint answers which method and path."""

from __future__ import annotations

import difflib
from collections.abc import Awaitable, Callable

from jubako.errors import JubakoError, MethodNotAllowed, NotFound
from jubako.http.exchange import Exchange, Header
from jubako.http.plane import Plane

Endpoint = Callable[[Exchange, Plane], Awaitable[None]]
"""Answers one exchange. Errors are raised, before or after the answer has begun: the application puts them into words."""


class Routes:
    """Exact paths, and prefixes whose rest the endpoint reads from ``exchange.path``.

    A dictionary instead of a router that tries patterns in turn: model names with slashes and colons need no pattern, and
    finding a route costs the same for the first and the last.
    """

    def __init__(self) -> None:
        self._exact: dict[str, dict[str, Endpoint]] = {}
        self._prefixes: dict[str, dict[str, Endpoint]] = {}

    def add(self, method: str, path: str, endpoint: Endpoint) -> None:
        """Route `path`; with a slash at its end, everything longer that begins with it."""
        table = self._prefixes if path.endswith("/") and path != "/" else self._exact
        methods = table.setdefault(path, {})
        methods[method] = endpoint
        if method == "GET":
            methods["HEAD"] = endpoint

    def find(self, method: str, path: str) -> Endpoint:
        """The endpoint for a request.

        Raises:
            NotFound: nothing is at `path`.
            MethodNotAllowed: something is, but not for `method`.
        """
        methods = self._exact.get(path) or self._by_prefix(path)
        if methods is None:
            near = difflib.get_close_matches(path[:200], self._exact, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise NotFound(f"Unknown request URL: {method} {path}.{hint} See /docs for what there is.", code="unknown_url")
        if (endpoint := methods.get(method)) is None:
            raise MethodNotAllowed(f"{path} does not take {method}. Use {' or '.join(methods)}.", code="method_not_allowed")
        return endpoint

    def allowed(self, path: str) -> list[str]:
        """The methods that `path` takes."""
        return [*(self._exact.get(path) or self._by_prefix(path) or {})]

    def headers_of(self, error: JubakoError, path: str) -> list[Header]:
        """The headers that HTTP wants on `error`."""
        headers = []
        if isinstance(error, MethodNotAllowed):
            headers.append((b"allow", ", ".join(self.allowed(path)).encode("ascii")))
        if error.retry_after_s is not None:
            headers.append((b"retry-after", b"%d" % max(1, round(error.retry_after_s))))
        return headers

    def _by_prefix(self, path: str) -> dict[str, Endpoint] | None:
        for prefix, methods in self._prefixes.items():
            if path.startswith(prefix) and len(path) > len(prefix):
                return methods
        return None
