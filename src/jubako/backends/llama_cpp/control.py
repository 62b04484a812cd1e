"""Asks llama.cpp's own HTTP server, on a private Unix socket, what can't be asked in process."""

from __future__ import annotations

import http.client
import socket
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct

T = TypeVar("T")


class Props(Struct):
    """``GET /props``. `n_ctx` of the default settings is one slot's context."""

    class Settings(Struct):
        n_ctx: int

    default_generation_settings: Settings
    chat_template: str = ""
    bos_token: str = ""
    eos_token: str = ""


class Models(Struct):
    """``GET /v1/models``."""

    class Model(Struct):
        class Meta(Struct):
            n_vocab: int

        meta: Meta

    data: list[Model]


class Token(Struct):
    """`piece` is text, or bytes where they are no whole characters."""

    id: int
    piece: str | list[int]

    @property
    def text(self) -> str:
        return self.piece if isinstance(self.piece, str) else bytes(self.piece).decode("utf-8", "replace")


class Tokens(Struct):
    tokens: list[int]


class Pieces(Struct):
    tokens: list[Token]


class Content(Struct):
    content: str


class Control:
    """A client for llama.cpp's server at `path`. Its calls block for about a millisecond."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def props(self) -> Props:
        return self._call("GET", "/props", None, Props)

    def vocab_size(self) -> int:
        return self._call("GET", "/v1/models", None, Models).data[0].meta.n_vocab

    def tokenize(self, text: str, add_special: bool) -> list[int]:
        body = {"content": text, "add_special": add_special, "parse_special": True}
        return self._call("POST", "/tokenize", body, Tokens).tokens

    def pieces(self, text: str, add_special: bool) -> list[Token]:
        body = {"content": text, "add_special": add_special, "parse_special": True, "with_pieces": True}
        return self._call("POST", "/tokenize", body, Pieces).tokens

    def detokenize(self, tokens: list[int]) -> str:
        return self._call("POST", "/detokenize", {"tokens": tokens}, Content).content

    def metrics(self) -> str:
        """Prometheus' page; it may take as long as llama.cpp's current step."""
        return self._ask("GET", "/metrics", None).decode()

    def _call(self, method: str, path: str, body: dict[str, object] | None, answer: type[T]) -> T:
        return msgspec.json.decode(self._ask(method, path, body), type=answer)

    def _ask(self, method: str, path: str, body: dict[str, object] | None) -> bytes:
        connection = _UnixConnection(self._path)
        try:
            content = None if body is None else msgspec.json.encode(body)
            connection.request(method, path, content, {"content-type": "application/json"})
            response = connection.getresponse()
            data = response.read()
        finally:
            connection.close()
        if response.status != 200:
            raise RuntimeError(f"llama.cpp answered {path} with {response.status}: {data[:500].decode(errors='replace')}")
        return data


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))
