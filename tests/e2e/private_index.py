"""A package index behind a password: it has one package of its own, and leads to the public one for any other."""

from __future__ import annotations

import base64
import hashlib
import secrets
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from types import TracebackType
from typing import Self

PACKAGE = "jubako-marker"
MODULE = "jubako_marker"
VERSION = "1.0"
WHEEL = f"{MODULE}-{VERSION}-py3-none-any.whl"
PUBLIC = "https://pypi.org"


class PrivateIndex:
    """Listens on the loopback interface. Use as a context manager.

    Attributes:
        user, password: Who may ask; new ones for each index.
        taken: How often its own package was downloaded.
        refused: How often somebody asked without the password.
    """

    def __init__(self) -> None:
        self.user = f"user-{secrets.token_hex(6)}"
        self.password = f"password-{secrets.token_hex(12)}"
        self.taken = 0
        self.refused = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever)

    @property
    def port(self) -> int:
        return self._server.server_port

    @property
    def url(self) -> str:
        """With user and password in it, as people configure one."""
        return f"http://{self.user}:{self.password}@127.0.0.1:{self.port}/simple"

    @property
    def authorization(self) -> str:
        """What a request must have in its header."""
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()

    @property
    def traces(self) -> list[str]:
        """Texts that nothing may hold which was made with its help."""
        return [self.user, self.password, self.authorization.removeprefix("Basic "), f"127.0.0.1:{self.port}"]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(index: PrivateIndex) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.headers.get("authorization") != index.authorization:
                index.refused += 1
                self._answer(401, b"", {"www-authenticate": 'Basic realm="index"'})
            elif self.path.strip("/") == f"simple/{PACKAGE}":
                link = f'<a href="/files/{WHEEL}#sha256={hashlib.sha256(_WHEEL).hexdigest()}">{WHEEL}</a>'
                self._answer(200, link.encode(), {"content-type": "text/html"})
            elif self.path == f"/files/{WHEEL}":
                index.taken += 1
                self._answer(200, _WHEEL, {"content-type": "application/octet-stream"})
            else:
                self._answer(302, b"", {"location": PUBLIC + self.path})

        do_HEAD = do_GET  # noqa: N815 - the name is http.server's

        def _answer(self, status: int, content: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {**headers, "content-length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is http.server's
            """Nothing: tests say what they saw themselves."""

    return Handler


def _wheel() -> bytes:
    files = {
        f"{MODULE}/__init__.py": "MARK = 42\n",
        f"{MODULE}-{VERSION}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: {VERSION}\n",
        f"{MODULE}-{VERSION}.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = f"{MODULE}-{VERSION}.dist-info/RECORD"
    files[record] = "".join(f"{name},,\n" for name in [*files, record])
    content = BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return content.getvalue()


_WHEEL = _wheel()
