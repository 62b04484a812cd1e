"""A registry that says what a test tells it to, right or wrong."""

from __future__ import annotations

import contextlib
import json
import ssl
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import trustme

from jubako.oci.manifest import MANIFEST, Descriptor, described, digest_of
from jubako.oci.modelpack import CONFIG
from tests.loopback import LoopbackServer


@dataclass(frozen=True)
class Request:
    """One that came, with its body."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """
    Attributes:
        body: Whole; or piece by piece, which is sent without an announced length, until there is no more or the client has left.
    """

    status: int = 200
    body: bytes | Iterable[bytes] = b""
    headers: Mapping[str, str] = field(default_factory=dict)


Script = Callable[[Request], Reply]


class ScriptedRegistry(LoopbackServer):
    """Use as a context manager; on a free port of the loopback interface.

    Args:
        certificates: A folder for its authority's certificate, with which it speaks TLS; None speaks plainly.

    Attributes:
        seen: Every request, in order.
    """

    def __init__(self, script: Script, certificates: Path | None = None) -> None:
        self.script = script
        self.seen: list[Request] = []
        super().__init__(_handler(self))
        self.authority = certificates / "authority.pem" if certificates else None
        if self.authority:
            self._speak_tls(self.authority)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def place(self) -> str:
        """A repository of it, as a source writes it."""
        return f"{'oci' if self.authority else 'oci+http'}://{self.address}/m"

    def _speak_tls(self, authority: Path) -> None:
        issuer = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        issuer.issue_cert("127.0.0.1").configure_cert(context)
        issuer.cert_pem.write_to_path(str(authority))
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)


def artifact(
    layers: Iterable[tuple[str, bytes, Mapping[str, str]]],
    *,
    config_type: str = CONFIG,
    config: bytes = b"{}",
    change: Callable[[dict[str, Any]], object] = lambda manifest: None,
) -> Script:
    """A registry that holds one manifest, whatever it is asked for, and its blobs.

    Args:
        layers: Media type, content and annotations of each.
        change: What to do to the manifest before it is served.
    """
    blobs = {digest_of(config): config}
    named: list[Descriptor] = []
    for media_type, content, notes in layers:
        plain = described(content, media_type)
        blobs[plain.digest] = content
        named.append(Descriptor(media_type=media_type, digest=plain.digest, size=plain.size, annotations=dict(notes)))
    manifest: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": config_type, "digest": digest_of(config), "size": len(config)},
        "layers": [
            {"mediaType": one.media_type, "digest": one.digest, "size": one.size, "annotations": one.annotations} for one in named
        ],
    }
    change(manifest)
    document = json.dumps(manifest).encode()

    def answer(request: Request) -> Reply:
        if "/manifests/" in request.path:
            return Reply(body=document, headers={"content-type": MANIFEST})
        blob = blobs.get(request.path.rpartition("/")[2])
        return Reply(404) if blob is None else Reply(body=blob)

    return answer


def _handler(registry: ScriptedRegistry) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(self.command, self.path, headers, body)
            registry.seen.append(request)
            self._send(registry.script(request))

        do_GET = do_HEAD = do_POST = do_PATCH = do_PUT = _answer  # noqa: N815 - the base class calls them so

        def _send(self, reply: Reply) -> None:
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                if name != "content-length":
                    self.send_header(name, value)
            if isinstance(reply.body, bytes):
                self.send_header("content-length", reply.headers.get("content-length", str(len(reply.body))))
                self.close_connection = "content-length" in reply.headers
            else:
                self.send_header("connection", "close")
            self.end_headers()
            if self.command != "HEAD":
                with contextlib.suppress(OSError):
                    for chunk in [reply.body] if isinstance(reply.body, bytes) else reply.body:
                        self.wfile.write(chunk)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class calls it so
            pass

    return Handler
