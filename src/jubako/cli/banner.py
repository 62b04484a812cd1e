"""What `jubako serve` says once it is ready: where it listens, which models answer, and how to try them."""

from __future__ import annotations

import json
import shlex
from threading import Event, Thread

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from jubako.cli.client import Client, KeyRefused, Model
from jubako.cli.terminal import err
from jubako.errors import JubakoError
from jubako.settings import KEY_VARIABLE

FIRST_PAUSE_S = 0.05
LAST_PAUSE_S = 1.0
PAUSE_GROWTH = 1.1
DEFAULT_URL = "http://127.0.0.1:3000"
STATE_STYLES = {"READY": "green", "FAILED": "bold red"}


class Announcer:
    """Tells, in a thread, what the server at `url` loads, and prints the banner once it is ready. A context manager.

    Args:
        asks_for_key: Whether the server does, which then shows its models only to who has one.
    """

    def __init__(self, url: str, grpc: str, *, asks_for_key: bool) -> None:
        self._url = url
        self._grpc = grpc
        self._asks_for_key = asks_for_key
        self._left = Event()
        self._thread = Thread(target=self._announce, name="announcer", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._left.set()
        self._thread.join(1)

    def _announce(self) -> None:
        # The port is bound before the gateway has started, so the first question usually waits in its queue instead of failing.
        with Client(self._url) as client:
            if not self._wait_until_ready(client):
                return
            try:
                err.print(banner(self._url, self._grpc, self._models(client), sends_key=client.sends_key))
            except JubakoError:
                return  # stopped meanwhile; whoever stopped it says so

    def _models(self, client: Client) -> list[Model] | None:
        if self._asks_for_key and not client.sends_key:
            return None
        try:
            return client.models()
        except KeyRefused:
            return None

    def _wait_until_ready(self, client: Client) -> bool:
        said: set[str] = set()
        pause = FIRST_PAUSE_S
        while (readiness := client.readiness()) is None or not readiness.ready:
            loading = {model.model for model in readiness.models if model.state == "LOADING"} if readiness else set()
            for name in sorted(loading - said):
                err.print(Text(f"loading {name} ...", "dim"))
            said |= loading
            if self._left.wait(pause):
                return False
            pause = min(pause * PAUSE_GROWTH, LAST_PAUSE_S)
        return True


def banner(url: str, grpc: str, models: list[Model] | None, *, sends_key: bool = False) -> RenderableType:
    """The whole text, for these models; None: only who has a key may see them. With `sends_key` the commands that it proposes
    have the key of the environment."""
    where = Text.assemble(("jubako", "bold"), " listens on ", (url, "bold underline"), ", gRPC on ", (grpc, "bold"))
    parts: list[RenderableType] = [Text(), where, Text()]
    if models is None:
        parts.append(Text(f"Callers need a key; with one in {KEY_VARIABLE}, the models are listed here.", "dim"))
    else:
        parts += _listed(models) if models else [Text("The repository holds no model yet.", "yellow")]
    models = models or []
    parts += [
        Text(f"{model.id} failed: {model.reason or 'no reason given'}", "red") for model in models if model.state == "FAILED"
    ]
    suggestions = _suggestions(url, models, sends_key)
    # Lines of their own and no table: what a narrow terminal wraps can still be copied whole.
    parts += [Text(), *(Text.assemble((f"{what:8}", "dim"), how) for what, how in suggestions), Text()]
    return Group(*parts)


def _listed(models: list[Model]) -> list[RenderableType]:
    """A table of those that are loaded; of those that wait for it, only the names."""
    loaded = [model for model in models if model.state != "UNLOADED"]
    waiting = [model.id for model in models if model.state == "UNLOADED"]
    parts: list[RenderableType] = [_table(loaded)] if loaded else []
    if loaded and waiting:
        parts.append(Text())
    if waiting:
        parts.append(Text(f"On request, with `jubako load MODEL`: {', '.join(waiting)}", "dim"))
    return parts


def _table(models: list[Model]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("model", "version", "backend", "tasks", "state"):
        table.add_column(column, overflow="fold")
    for model in models:
        state = Text(model.state, STATE_STYLES.get(model.state, "yellow"))
        table.add_row(model.id, str(model.version or ""), model.backend, ", ".join(model.tasks), state)
    return table


def _suggestions(url: str, models: list[Model], sends_key: bool) -> list[tuple[str, str]]:
    ready = [model for model in models if model.state == "READY"]
    chat = next((model for model in ready if "chat" in model.tasks), None)
    embedding = next((model for model in ready if "embedding" in model.tasks), None)
    lines = []
    if chat:
        body = {"model": chat.id, "messages": [{"role": "user", "content": "Say hello."}]}
        lines.append(("try it", _curl(f"{url}/v1/chat/completions", body, sends_key)))
        where = "" if url == DEFAULT_URL else f" --url {url}"
        lines.append(("chat", f"jubako chat {chat.id}{where}"))
    elif embedding:
        lines.append(("try it", _curl(f"{url}/v1/embeddings", {"model": embedding.id, "input": "hello"}, sends_key)))
    return [*lines, ("docs", f"{url}/docs"), ("stop", "Ctrl-C")]


def _curl(url: str, body: object, sends_key: bool) -> str:
    key = f' -H "authorization: Bearer ${KEY_VARIABLE}"' if sends_key else ""
    return f"curl {url}{key} -H 'content-type: application/json' -d {shlex.quote(json.dumps(body))}"
