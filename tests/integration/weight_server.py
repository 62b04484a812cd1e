"""A web server of files, as well or as badly behaved as a test wants it."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from types import TracebackType

from tests.loopback import LoopbackServer


@dataclass
class ServedFile:
    """A file and how it is served.

    Attributes:
        etag: The strong validator sent with it, or None.
        ranges: Whether parts may be asked for.
        cuts: For each coming answer, the bytes of its body after which the connection is dropped.
        statuses: For each coming answer, the status sent in place of the file.
        announced: The Content-Length that is claimed, where that is not the truth.
        redirect: The address that is answered in place of the content.
        pause_at: Bytes of the body after which `gate` must be open.
    """

    content: bytes = b""
    etag: str | None = '"v1"'
    ranges: bool = True
    cuts: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    announced: int | None = None
    redirect: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    pause_at: int | None = None
    gate: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True)
class Seen:
    """A request that came."""

    target: str
    headers: Mapping[str, str]


class WeightServer(LoopbackServer):
    """Serves `files`, by path and query, on a free port of the loopback interface."""

    def __init__(self) -> None:
        self.files: dict[str, ServedFile] = {}
        self.seen: list[Seen] = []
        super().__init__(self._handler())

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def url_by_name(self) -> str:
        """The same server as another host."""
        return f"http://localhost:{self.port}"

    def requests_for(self, target: str) -> list[Seen]:
        return [seen for seen in self.seen if seen.target == target]

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for file in self.files.values():
            file.gate.set()
        super().__exit__(kind, error, trace)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                owner.seen.append(Seen(self.path, {name.lower(): value for name, value in self.headers.items()}))
                file = owner.files.get(self.path)
                try:
                    _answer(self, file)
                except ConnectionError:
                    self.close_connection = True

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class calls it so
                pass

        return Handler


def _answer(to: BaseHTTPRequestHandler, file: ServedFile | None) -> None:
    status = 404 if file is None else file.statuses.pop(0) if file.statuses else 302 if file.redirect else 200
    if file is None or status != 200:
        to.send_response(status)
        to.send_header("content-length", "0")
        if file and file.redirect:
            to.send_header("location", file.redirect)
        to.end_headers()
        return
    start = _start(to, file)
    if start is not None and start >= len(file.content):
        to.send_response(416)
        to.send_header("content-range", f"bytes */{len(file.content)}")
        to.send_header("content-length", "0")
        to.end_headers()
        return
    body = file.content[start or 0 :]
    to.send_response(200 if start is None else 206)
    if start is not None:
        to.send_header("content-range", f"bytes {start}-{len(file.content) - 1}/{len(file.content)}")
    if file.etag:
        to.send_header("etag", file.etag)
    for name, value in file.headers.items():
        to.send_header(name, value)
    to.send_header("content-length", str(file.announced if file.announced is not None else len(body)))
    to.end_headers()
    cut = file.cuts.pop(0) if file.cuts else None
    _send(to, body[:cut], file)
    if cut is not None or (file.announced or 0) > len(body):
        to.close_connection = True


def _start(to: BaseHTTPRequestHandler, file: ServedFile) -> int | None:
    asked = re.fullmatch(r"bytes=(\d+)-", to.headers.get("range", ""))
    current = to.headers.get("if-range") in {None, file.etag}
    return int(asked[1]) if asked and file.ranges and current else None


def _send(to: BaseHTTPRequestHandler, body: bytes, file: ServedFile) -> None:
    if file.pause_at is None:
        to.wfile.write(body)
        return
    to.wfile.write(body[: file.pause_at])
    file.gate.wait()
    to.wfile.write(body[file.pause_at :])
