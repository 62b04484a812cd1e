"""A client of a running server, as far as `jubako chat` and the banner need one: plain HTTP, and server-sent events."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import quote, urlsplit

import httpx
import msgspec
from msgspec import Struct

from jubako.errors import ConfigurationError, JubakoError
from jubako.messages import Message, SamplingParams
from jubako.routing.interface import ModelInterface
from jubako.settings import KEY_VARIABLE

T = TypeVar("T")

CONNECT_TIMEOUT_S = 5.0
LOOPBACK = {"127.0.0.1", "::1", "localhost"}


class KeyRefused(JubakoError):
    """The server asks for a key, or for another."""


class Piece(Struct, frozen=True):
    """Text that arrived: a part of the answer, or of the thoughts that come before it."""

    text: str
    is_reasoning: bool = False


def key_in(variable: str) -> str:
    """The API key in this environment variable.

    Raises:
        ConfigurationError: there is none.
    """
    key = os.environ.get(variable, "")
    if not key or not key.isascii() or not key.isprintable():
        raise ConfigurationError(f"The environment variable {variable} holds no API key.")
    return key


def key_of_environment() -> str:
    """The one that commands send; empty where none is set."""
    return key_in(KEY_VARIABLE) if os.environ.get(KEY_VARIABLE) else ""


class Client:
    """One server, which is sent the key of the environment if there is one. A context manager; everything raises
    :class:`JubakoError` with a sentence for the person at the terminal."""

    def __init__(self, url: str) -> None:
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
            raise ConfigurationError(f"{url!r} is not the address of a server; it should look like http://127.0.0.1:3000.")
        self.url = url.rstrip("/").removesuffix("/v1")
        # A proxy of the environment is for elsewhere, never for this machine.
        elsewhere = urlsplit(url).hostname not in LOOPBACK
        timeout = httpx.Timeout(None, connect=CONNECT_TIMEOUT_S)
        self._key = key_of_environment()
        headers = {"authorization": f"Bearer {self._key}"} if self._key else {}
        self._http = httpx.Client(base_url=self.url, headers=headers, timeout=timeout, trust_env=elsewhere)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._http.close()

    @property
    def sends_key(self) -> bool:
        return bool(self._key)

    def readiness(self) -> Readiness | None:
        """Whether every model that can still load has, and which have; None where nothing answers yet."""
        try:
            return msgspec.json.decode(self._http.get("/readyz").content, type=Readiness)
        except (httpx.HTTPError, msgspec.MsgspecError):
            return None

    def models(self) -> list[Model]:
        """All models of the server, whatever their state."""
        with self._reaching():
            response = self._http.get("/v1/models")
            self._require_success(response)
            return self._decode(response.content, _ModelList).data

    def activity(self, model: str | None) -> list[ModelActivity]:
        """What the instances of `model` are doing, or those of all models."""
        with self._reaching():
            if model is None:
                response = self._http.get("/v1/stat")
                self._require_success(response)
                return self._decode(response.content, _ActivityList).data
            response = self._http.get(f"/v1/stat/{quote(model, safe='')}")
            self._require_success(response)
            return [self._decode(response.content, ModelActivity)]

    def interfaces(self) -> list[ModelInterface]:
        """What clients of each model are written against."""
        with self._reaching():
            response = self._http.get("/v1/interfaces")
            self._require_success(response)
            return self._decode(response.content, _InterfaceList).data

    def load(self, model: str) -> None:
        """Have the server read the entry `model` again and serve it; returns once it can be asked."""
        self._order(f"/v2/repository/models/{quote(model, safe='')}/load")

    def unload(self, model: str) -> None:
        """Have the server serve `model` no longer; returns once its processes are gone."""
        self._order(f"/v2/repository/models/{quote(model, safe='')}/unload")

    def set_alias(self, model: str, alias: str, version: int) -> None:
        """Have `alias` mean a version of the entry `model`; returns once new requests go there."""
        self._order(_alias_path(model, alias), {"version": version})

    def delete_alias(self, model: str, alias: str) -> None:
        """Have `alias` mean nothing."""
        with self._reaching():
            self._require_success(self._http.delete(_alias_path(model, alias)))

    def _order(self, path: str, body: object = None) -> None:
        with self._reaching():
            self._require_success(self._http.post(path, json=body))

    def answer(self, model: str, messages: list[Message], sampling: SamplingParams) -> Generator[Piece]:
        """The answer to a conversation, as it arrives. Closing the iterator stops the model."""
        request = {"model": model, "messages": messages, "stream": True, **msgspec.to_builtins(sampling)}
        body, headers = msgspec.json.encode(request), {"content-type": "application/json"}
        with (
            self._reaching(),
            self._http.stream("POST", "/v1/chat/completions", content=body, headers=headers) as response,
        ):
            if not response.is_success:
                response.read()
            self._require_success(response)
            for event in server_sent_events(response.iter_lines()):
                yield from self._pieces(event)

    def _pieces(self, event: str) -> Iterator[Piece]:
        chunk = self._decode(event.encode(), _Chunk)
        if chunk.error:
            raise JubakoError(chunk.error.message)
        for choice in chunk.choices:
            if choice.delta.reasoning_content:
                yield Piece(choice.delta.reasoning_content, is_reasoning=True)
            if choice.delta.content:
                yield Piece(choice.delta.content)

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except (httpx.ConnectError, httpx.ConnectTimeout):
            raise ConfigurationError(
                f"No server answers at {self.url}. Start one with `jubako serve`, or name another with --url."
            ) from None
        except httpx.TransportError:
            raise JubakoError(f"The connection to {self.url} broke off before the answer was complete.") from None

    def _require_success(self, response: httpx.Response) -> None:
        if response.is_success:
            return
        if response.status_code == httpx.codes.UNAUTHORIZED and not self._key:
            raise KeyRefused(f"{self.url} asks for a key. Set the environment variable {KEY_VARIABLE} to yours.")
        try:
            error = msgspec.json.decode(response.content, type=_ErrorBody).error
        except msgspec.MsgspecError:
            raise JubakoError(f"{self.url} answered with status {response.status_code}; is that a jubako server?") from None
        message = error if isinstance(error, str) else error.message
        if self._key and response.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise KeyRefused(f"{self.url} refuses the key in {KEY_VARIABLE}: {message}")
        raise JubakoError(message)

    def _decode(self, body: bytes, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(body, type=kind)
        except msgspec.MsgspecError:
            raise JubakoError(f"{self.url} answers, but not as OpenAI's API does; is that a jubako server?") from None


def _alias_path(model: str, alias: str) -> str:
    return f"/v2/repository/models/{quote(model, safe='')}/aliases/{quote(alias, safe='')}"


def server_sent_events(lines: Iterator[str]) -> Iterator[str]:
    """The data of each event, up to OpenAI's ``[DONE]``. Comments and other fields are skipped, as the standard says."""
    data: list[str] = []
    for line in lines:
        if line.startswith("data:"):
            data.append(line.removeprefix("data:").removeprefix(" "))
        elif not line and data:
            event = "\n".join(data)
            data = []
            if event == "[DONE]":
                return
            yield event


# What the server says, as far as it is read here. Other fields are ignored, so that other OpenAI-compatible servers work too.


class Model(Struct, frozen=True):
    id: str
    version: int | None = None
    backend: str = ""
    tasks: tuple[str, ...] = ("chat",)
    state: str = "READY"
    reason: str | None = None
    aliases: tuple[str, ...] = ()


class InstanceActivity(Struct, frozen=True):
    """Null stands for what is not known of an instance that can't be asked."""

    id: str
    state: str
    pid: int | None
    restarts: int
    rss_bytes: int | None
    running: int | None
    queued: int | None
    capacity: int | None
    kv_cache_usage: float | None
    requests: int | None
    idle_s: float | None


class ModelActivity(Struct, frozen=True):
    model: str
    version: int
    state: str
    reason: str | None
    backend: str
    load_balance_strategy: str
    instances: list[InstanceActivity]
    aliases: list[str] = []


class _ActivityList(Struct, frozen=True):
    data: list[ModelActivity]


class ModelReadiness(Struct, frozen=True):
    model: str
    state: str


class Readiness(Struct, frozen=True):
    ready: bool
    models: list[ModelReadiness]


class _ModelList(Struct, frozen=True):
    data: list[Model]


class _InterfaceList(Struct, frozen=True):
    data: list[ModelInterface]


class _Error(Struct, frozen=True):
    message: str


class _ErrorBody(Struct, frozen=True):
    """OpenAI's form of an error, or the Open Inference Protocol's, which is only the sentence."""

    error: _Error | str


class _Delta(Struct, frozen=True):
    content: str | None = None
    reasoning_content: str | None = None


class _Choice(Struct, frozen=True):
    delta: _Delta = _Delta()


class _Chunk(Struct, frozen=True):
    choices: list[_Choice] = []
    error: _Error | None = None
