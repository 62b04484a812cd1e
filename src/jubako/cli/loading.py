"""`jubako load` and `jubako unload`: what a running server serves, changed without a restart."""

from __future__ import annotations

from typing import Annotated

import typer

from jubako.cli.chat import url_of_settings
from jubako.cli.client import Client
from jubako.cli.terminal import FAILED, sentences

Entry = Annotated[str, typer.Argument(metavar="MODEL", help="The name of its folder in the repository.", show_default=False)]
Url = Annotated[str | None, typer.Option("--url", help="The server. Default: where `jubako serve` listens by your settings.")]


def load(model: Entry, url: Url = None) -> None:
    """Have a running server read a model's entry again and serve it.

    Returns once the model can be asked. What was served before goes on until then, or for good if the entry is wrong.
    """
    with sentences(FAILED), Client(url or url_of_settings()) as client:
        client.load(model)


def unload(model: Entry, url: Url = None) -> None:
    """Have a running server serve a model no longer.

    Returns once its processes are gone; requests in flight are finished first. A restarted server serves it again.
    """
    with sentences(FAILED), Client(url or url_of_settings()) as client:
        client.unload(model)
