"""A tiny server with OpenAI's chat API on a real socket: it says what a test wrote down, and remembers what it was asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

WAIT_S = 100.0


class AnsweringServer(ThreadingHTTPServer):
    """Answers each chat request with the next of `answers`, a list of pieces; a piece None waits until the client has left.

    Attributes:
        asked: The bodies of the chat requests, in order.
        abandoned: Set once a client left in the middle of an answer.
    """

    daemon_threads = True

    def __init__(self, answers: list[list[str | None]], models: list[dict[str, Any]]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = answers
        self.models = models
        self.asked: list[dict[str, Any]] = []
        self.abandoned = Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: AnsweringServer

    def do_GET(self) -> None:
        self._json(200, {"object": "list", "data": self.server.models})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append(body)
        if body["model"] == "unknown":
            self._json(404, {"error": {"message": "There is no model 'unknown'.", "type": "invalid_request_error"}})
            return
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        try:
            for piece in self.server.answers.pop(0):
                self._event(piece)
        except ConnectionError:
            self.server.abandoned.set()

    def _event(self, piece: str | None) -> None:
        if piece is None:
            self.connection.settimeout(WAIT_S)
            if self.connection.recv(1) == b"":
                raise ConnectionAbortedError
        elif piece == "[BREAK]":
            self.wfile.write(b'data: {"error": {"message": "The instance died."}}\n\n')
        else:
            data = json.dumps({"choices": [{"index": 0, "delta": {"content": piece}}]}) if piece != "[DONE]" else piece
            self.wfile.write(f": comment\ndata: {data}\n\n".encode())

    def _json(self, status: int, body: object) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's name
        """Tests read no log."""


DEFAULT_MODELS: list[dict[str, Any]] = [
    {"id": "vectors", "tasks": ["embedding"], "state": "READY"},
    {"id": "broken", "tasks": ["chat"], "state": "FAILED", "reason": "no"},
    {"id": "tiny", "tasks": ["chat"], "state": "READY", "aliases": ["tiny:1b"]},
    {"id": "other", "tasks": ["chat"], "state": "READY"},
]


@contextmanager
def answering(*answers: list[str | None], models: list[dict[str, Any]] | None = None) -> Iterator[AnsweringServer]:
    """A running server that gives these answers."""
    with AnsweringServer(list(answers), DEFAULT_MODELS if models is None else models) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
