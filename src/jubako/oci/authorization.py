"""How a registry is told who asks: not at all, by name and password, or by a bearer token.

The token's protocol is that of the CNCF distribution project ("Token Authentication Specification"): the registry's 401 names a
server, the realm, which gives tokens to those who show their credentials there. Nothing of this reaches any other host: not where
a blob is redirected to, and not where an upload is sent.
"""

from __future__ import annotations

import base64
import re
import ssl
from collections.abc import Generator, Iterable, Mapping
from contextlib import closing
from typing import NoReturn

import httpx
import msgspec
from msgspec import Struct

from jubako.errors import ConfigurationError
from jubako.oci.credentials import Credentials
from jubako.oci.reference import Reference
from jubako.web import Interrupted, bounded, check_status, web_client, without_secrets

_WORD = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
_CHALLENGE = re.compile(rf'(?P<name>{_WORD})\s*=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>{_WORD}))|(?P<scheme>{_WORD})')
_TOKEN = re.compile(r"[!-~]+", re.ASCII)

_LARGEST_GRANT = 1024 * 1024


class _Grant(Struct):
    token: str = ""
    access_token: str = ""


class RegistryAuth(httpx.Auth):
    """Answers the challenges of the registry of `reference`, each request at most once.

    Args:
        tls: How to speak with its server of tokens; None: as with any server.
    """

    def __init__(self, reference: Reference, credentials: Credentials | None, tls: ssl.SSLContext | None = None) -> None:
        self.reference = reference
        self.credentials = credentials
        self.tls = tls
        self._registry = httpx.URL(reference.api)
        self._header = ""

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if not _same_origin(request.url, self._registry):
            yield request
            return
        if self._header:
            request.headers["authorization"] = self._header
        response = yield request
        # What a redirect led to may be another host, whose challenges are none of ours.
        if response.status_code == httpx.codes.UNAUTHORIZED and _same_origin(response.request.url, self._registry):
            self._header = self._answer(challenges(response.headers.get_list("www-authenticate")), request.method)
            if self._header:
                request.headers["authorization"] = self._header
                yield request

    @property
    def hint(self) -> str:
        """What to do about a refusal."""
        if self.credentials is None:
            return (
                f"There are no credentials for {self.reference.registry}: log in with `podman login` or `docker login`, or "
                "name a file of credentials with REGISTRY_AUTH_FILE."
            )
        who = f"of {self.credentials.user!r}" if self.credentials.user else "(an identity token)"
        return f"The credentials {who} from {self.credentials.origin} are not enough: log in again, or as somebody else."

    def _answer(self, asked: Mapping[str, Mapping[str, str]], method: str) -> str:
        """The header that answers a challenge; empty if there is nothing to answer with."""
        if "bearer" in asked:
            return f"Bearer {self._token(asked['bearer'], method)}"
        if "basic" in asked and self.credentials and self.credentials.user:
            return _basic(self.credentials)
        return ""

    # --- bearer tokens

    def _token(self, challenge: Mapping[str, str], method: str) -> str:
        realm = self._realm(challenge)
        scope = challenge.get("scope") or self._own_scope(method)
        request = self._token_request(realm, challenge.get("service", ""), scope)
        try:
            with (
                web_client(tls=self.tls) as client,
                closing(client.send(request, stream=True, follow_redirects=False)) as response,
            ):
                content = bounded(response, _LARGEST_GRANT)
        except httpx.RequestError as error:
            raise Interrupted(f"its server of tokens, {without_secrets(realm)}, can't be reached: {error}") from error
        if response.status_code in {401, 403}:
            raise ConfigurationError(f"{without_secrets(realm)} gives no token for {self.reference.name}. {self.hint}")
        if response.is_redirect:
            raise ConfigurationError(f"{without_secrets(realm)} leads elsewhere, where credentials are not sent.")
        check_status(response)
        try:
            grant = msgspec.json.decode(content, type=_Grant)
        except msgspec.MsgspecError:
            grant = _Grant()
        token = grant.token or grant.access_token
        if not _TOKEN.fullmatch(token):
            raise Interrupted(f"{without_secrets(realm)} did not answer with a token")
        return token

    def _realm(self, challenge: Mapping[str, str]) -> str:
        realm = challenge.get("realm", "")
        try:
            url = httpx.URL(realm)
        except httpx.InvalidURL:
            self._no_realm(realm)
        if url.scheme != "https" and not (url.scheme == "http" and self.reference.plain_http):
            self._no_realm(realm)
        return realm

    def _no_realm(self, realm: str) -> NoReturn:
        raise ConfigurationError(
            f"{self.reference.registry} wants a token from {realm.partition('?')[0][:200]!r}, which is no address "
            "with https://. No credentials were sent."
        )

    def _own_scope(self, method: str) -> str:
        return f"repository:{self.reference.repository}:{'pull' if method in {'GET', 'HEAD'} else 'pull,push'}"

    def _token_request(self, realm: str, service: str, scope: str) -> httpx.Request:
        if self.credentials and self.credentials.identity_token:
            form = {"grant_type": "refresh_token", "refresh_token": self.credentials.identity_token, "client_id": "jubako"}
            return httpx.Request("POST", realm, data={**form, "service": service, "scope": scope})
        wanted = [("service", service)] if service else []
        url = httpx.URL(realm).copy_merge_params([*wanted, *(("scope", part) for part in scope.split())])
        request = httpx.Request("GET", url, headers={"user-agent": "jubako"})
        if self.credentials:
            request.headers["authorization"] = _basic(self.credentials)
        return request


def challenges(headers: Iterable[str]) -> dict[str, dict[str, str]]:
    """The parameters of the challenges in ``WWW-Authenticate``, by scheme, all names in lower case (RFC 9110, section 11.6.1)."""
    found: dict[str, dict[str, str]] = {}
    current: dict[str, str] = {}
    for header in headers:
        for match in _CHALLENGE.finditer(header):
            if match["scheme"]:
                current = found.setdefault(match["scheme"].lower(), {})
            else:
                quoted = match["quoted"]
                value = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else match["plain"]
                current[match["name"].lower()] = value
    return found


def _basic(credentials: Credentials) -> str:
    return f"Basic {base64.b64encode(f'{credentials.user}:{credentials.password}'.encode()).decode()}"


def _same_origin(url: httpx.URL, other: httpx.URL) -> bool:
    return (url.scheme, url.host, url.port) == (other.scheme, other.host, other.port)
