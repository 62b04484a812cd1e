"""A server of bearer tokens, as the CNCF distribution project specifies them, that a real registry trusts."""

from __future__ import annotations

import base64
import json
import secrets
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from tests.loopback import LoopbackServer
from tests.registry import PASSWORD, USER

SERVICE = "registry of the tests"
ISSUER = "tests"
IDENTITY_TOKEN = "who-i-am"  # not a secret: it opens a registry that lives as long as a test


@dataclass
class TokenServer(LoopbackServer):
    """Gives tokens to those who show USER and PASSWORD or IDENTITY_TOKEN; to others only for pulling, if at all.

    Attributes:
        anonymous: Whether strangers may pull.
        lifetime_s: How long a token is good.
        seen: The requests, each with its scopes.
    """

    folder: Path
    anonymous: bool = False
    lifetime_s: int = 300
    seen: list[tuple[str, list[str]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        authority = trustme.CA()
        issued = authority.issue_cert("tokens")
        authority.cert_pem.write_to_path(str(self.folder / "tokens.pem"))
        self._key = load_pem_private_key(issued.private_key_pem.bytes(), None)
        certificate = x509.load_pem_x509_certificate(issued.cert_chain_pems[0].bytes())
        self._chain = [base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()]
        super().__init__(self._handler())

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/token"

    @property
    def settings(self) -> dict[str, Any]:
        """What a registry must be told to trust the tokens."""
        token = {"realm": self.url, "service": SERVICE, "issuer": ISSUER, "rootcertbundle": str(self.folder / "tokens.pem")}
        return {"auth": {"token": token}}

    def token(self, user: str, scopes: list[str], actions: set[str]) -> str:
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "sub": user,
            "aud": SERVICE,
            "exp": now + self.lifetime_s,
            "nbf": now - 10,
            "iat": now,
            "jti": secrets.token_hex(8),
            "access": [_access(scope, actions) for scope in scopes],
        }
        header = {"typ": "JWT", "alg": "ES256", "x5c": self._chain}
        signed = f"{_encoded(header)}.{_encoded(claims)}"
        assert isinstance(self._key, ec.EllipticCurvePrivateKey)
        r, s = utils.decode_dss_signature(self._key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{_base64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"

    def answer(self, user: str | None, scopes: list[str]) -> tuple[int, dict[str, Any]]:
        """
        Args:
            user: Who has been recognised; None for a stranger, empty for somebody whose credentials are wrong.
        """
        self.seen.append((user or "", scopes))
        if user == "" or (user is None and not self.anonymous):
            return 401, {"errors": [{"code": "UNAUTHORIZED"}]}
        actions = {"pull", "push"} if user else {"pull"}
        return 200, {"token": self.token(user or "", scopes, actions), "expires_in": self.lifetime_s}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                query = parse_qs(urlsplit(self.path).query)
                shown = self.headers.get("authorization")
                expected = f"Basic {base64.b64encode(f'{USER}:{PASSWORD}'.encode()).decode()}"
                user = None if shown is None else USER if shown == expected else ""
                assert query["service"] == [SERVICE]
                self._send(*owner.answer(user, query.get("scope", [])))

            def do_POST(self) -> None:
                form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
                assert form["grant_type"] == ["refresh_token"]
                user = USER if form["refresh_token"] == [IDENTITY_TOKEN] else ""
                self._send(*owner.answer(user, form["scope"][0].split()))

            def _send(self, status: int, content: dict[str, Any]) -> None:
                body = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class calls it so
                pass

        return Handler


def _access(scope: str, actions: set[str]) -> dict[str, Any]:
    kind, name, wanted = scope.split(":")
    return {"type": kind, "name": name, "actions": sorted(set(wanted.split(",")) & actions)}


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _encoded(document: dict[str, Any]) -> str:
    return _base64(json.dumps(document).encode())
