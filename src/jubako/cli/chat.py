"""`jubako chat`: a conversation in the terminal with a model of a running server."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from jubako.cli.client import Client
from jubako.cli.conversation import Conversation
from jubako.cli.keyboard import Keyboard
from jubako.cli.terminal import FAILED, USAGE, sentences
from jubako.errors import JubakoError
from jubako.listening import url_of
from jubako.settings import load_settings

INTERRUPTED = 130


def chat(
    model: Annotated[
        str | None, typer.Argument(metavar="MODEL", show_default=False, help="Default: the first that chats.")
    ] = None,
    message: Annotated[
        str | None,
        typer.Option("--message", "-m", help="Ask this, print the answer and leave. Default: what is piped in."),
    ] = None,
    system: Annotated[str | None, typer.Option("--system", "-s", help="The system message. Default: none.")] = None,
    url: Annotated[
        str | None, typer.Option("--url", help="The server. Default: where `jubako serve` listens by your settings.")
    ] = None,
) -> None:
    """Chat with a model of a running server.

    Answers stream as they come. Ctrl-C stops an answer, Ctrl-D leaves, /help lists the commands.
    """
    with sentences(FAILED), Client(url or url_of_settings()) as client:
        conversation = Conversation(client, model or _first_that_chats(client), system)
        if message is not None:
            _ask_once(conversation, message)
        elif not sys.stdin.isatty():
            _ask_once(conversation, sys.stdin.read().strip())
        else:
            conversation.use(conversation.model)  # a name that is wrong, or a server that is not there, is better told now
            Keyboard(conversation).run()


def _ask_once(conversation: Conversation, message: str) -> None:
    if not message:
        raise JubakoError("There is nothing to ask: give a message with -m, or pipe one in.")
    if not conversation.ask(message):
        raise typer.Exit(INTERRUPTED)


def url_of_settings() -> str:
    """Where `jubako serve` would listen."""
    with sentences(USAGE):
        settings = load_settings().settings
    return url_of(settings.host, settings.port)


def _first_that_chats(client: Client) -> str:
    models = [model for model in client.models() if "chat" in model.tasks]
    ready = [model for model in models if model.state == "READY"]
    if not models:
        raise JubakoError(f"The server at {client.url} has no model that chats.")
    return (ready or models)[0].id
