"""A registry in memory with what Debian's real one lacks: uploads that can be continued in the middle of a part, and referrers.

It follows the OCI Distribution Specification 1.1 to the letter in what it has; everything else is 404.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.loopback import LoopbackServer

_INDEX = "application/vnd.oci.image.index.v1+json"
_PAGE = 2


@dataclass
class Content:
    """What the registry holds.

    Attributes:
        uploads: What has come of each upload.
        starts: Of each part that came, where it began.
        statuses: For each coming request, the status sent in place of an answer.
        smallest_part: The ``OCI-Chunk-Min-Length`` that is announced.
        forgetful: Whether parts are thrown away.
    """

    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    uploads: dict[str, bytearray] = field(default_factory=dict)
    starts: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    smallest_part: int = 0
    forgetful: bool = False
    receiving: threading.Lock = field(default_factory=threading.Lock)


class SmallRegistry(LoopbackServer):
    """Use as a context manager; on a free port of the loopback interface, without TLS."""

    def __init__(self) -> None:
        self.content = Content()
        super().__init__(_handler(self.content))


def _handler(content: Content) -> type[BaseHTTPRequestHandler]:
    class Handler(_Requests):
        held = content

    return Handler


class _Requests(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    held: Content

    def do_HEAD(self) -> None:
        self._answer_blob() if "/blobs/" in self.path else self._answer_manifest()

    def do_GET(self) -> None:
        if self._is_faulty():
            return
        path = urlsplit(self.path).path
        if "/blobs/uploads/" in path:
            self._answer_upload(204)
        elif "/referrers/" in path:
            self._answer_referrers(path.rpartition("/")[2], parse_qs(urlsplit(self.path).query))
        elif "/blobs/" in path:
            self._answer_blob()
        else:
            self._answer_manifest()

    def do_POST(self) -> None:
        if self._is_faulty():
            return
        name = f"upload-{len(self.held.uploads)}"
        self.held.uploads[name] = bytearray()
        smallest = {"oci-chunk-min-length": str(self.held.smallest_part)} if self.held.smallest_part else {}
        self._send(202, headers={"location": f"{urlsplit(self.path).path}{name}", **smallest})

    def do_PATCH(self) -> None:
        match = re.fullmatch(r"(\d+)-(\d+)", self.headers["content-range"])
        assert match
        upload = self._upload()
        start, end = int(match[1]), int(match[2])
        assert end - start + 1 == int(self.headers["content-length"])
        self.held.starts.append(start)
        if start != len(upload):
            self.close_connection = True
            self._answer_upload(416)
            return
        self._receive(upload)
        if self.held.forgetful:
            upload.clear()
        self._answer_upload(202)

    def do_PUT(self) -> None:
        if self._is_faulty():
            return
        if "/blobs/uploads/" in self.path:
            self._close_upload()
        else:
            self._store_manifest()

    def _close_upload(self) -> None:
        upload = self._upload()
        self._receive(upload)
        digest = parse_qs(urlsplit(self.path).query)["digest"][0]
        if digest != f"sha256:{hashlib.sha256(upload).hexdigest()}":
            self._send(400, b'{"errors":[{"code":"DIGEST_INVALID"}]}')
            return
        self.held.blobs[digest] = bytes(upload)
        self._send(201, headers={"location": f"/v2/x/blobs/{digest}"})

    def _store_manifest(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
        for name in (digest, self.path.rpartition("/")[2]):
            self.held.manifests[name] = (self.headers["content-type"], body)
        subject = json.loads(body).get("subject")
        self._send(201, headers={"docker-content-digest": digest} | ({"oci-subject": subject["digest"]} if subject else {}))

    def _upload(self) -> bytearray:
        return self.held.uploads[urlsplit(self.path).path.rpartition("/")[2]]

    def _receive(self, upload: bytearray) -> None:
        """Keep whatever comes, until all has come or the connection breaks."""
        left = int(self.headers.get("content-length", "0"))
        with self.held.receiving, contextlib.suppress(ConnectionError):
            while left and (chunk := self.rfile.read1(min(left, 65536))):
                upload += chunk
                left -= len(chunk)
        if left:
            raise ConnectionResetError

    def _answer_upload(self, status: int) -> None:
        with self.held.receiving:  # a part that breaks off is read to its end before anybody is told how far it has come
            upload = self._upload()
        self._send(status, headers={"location": urlsplit(self.path).path, "range": f"0-{max(0, len(upload) - 1)}"})

    def _answer_blob(self) -> None:
        blob = self.held.blobs.get(self.path.rpartition("/")[2])
        self._send(404) if blob is None else self._send(200, blob)

    def _answer_manifest(self) -> None:
        media_type, body = self.held.manifests.get(self.path.rpartition("/")[2], ("", None))
        self._send(404) if body is None else self._send(200, body, {"content-type": media_type})

    def _answer_referrers(self, digest: str, query: dict[str, list[str]]) -> None:
        """Page by page, without filtering: clients must not rely on that."""
        found: dict[str, dict[str, Any]] = {}
        for media_type, body in self.held.manifests.values():
            document = json.loads(body)
            if document.get("subject", {}).get("digest") == digest:
                own = f"sha256:{hashlib.sha256(body).hexdigest()}"
                found[own] = {"mediaType": media_type, "digest": own, "size": len(body), "artifactType": document["artifactType"]}
                found[own]["annotations"] = document.get("annotations", {})
        start = int(query.get("start", ["0"])[0])
        page = list(found.values())[start : start + _PAGE]
        more = {"link": f'<?start={start + _PAGE}>; rel="next"'} if start + _PAGE < len(found) else {}
        body = json.dumps({"schemaVersion": 2, "mediaType": _INDEX, "manifests": page}).encode()
        self._send(200, body, {"content-type": _INDEX, **more})

    def _is_faulty(self) -> bool:
        if not self.held.statuses:
            return False
        self.close_connection = True  # the request's body is not read
        self._send(self.held.statuses.pop(0))
        return True

    def _send(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        if status != 204:
            self.send_header("content-length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class calls it so
        pass
