"""`jubako alias`: which version of a model an alias means, on a running server and from then on."""

from __future__ import annotations

from typing import Annotated

import typer

from jubako.cli.chat import url_of_settings
from jubako.cli.client import Client
from jubako.cli.terminal import FAILED, USAGE, sentences
from jubako.errors import ConfigurationError

Entry = Annotated[str, typer.Argument(metavar="MODEL", help="The name of its folder in the repository.", show_default=False)]
Alias = Annotated[
    str, typer.Argument(metavar="ALIAS", help="Such as stable; requests name it as MODEL@stable.", show_default=False)
]
Number = Annotated[
    int | None, typer.Argument(metavar="[VERSION]", help="The version that it is to mean.", min=1, show_default=False)
]
Delete = Annotated[bool, typer.Option("--delete", help="Let it mean nothing.")]
Url = Annotated[str | None, typer.Option("--url", help="The server. Default: where `jubako serve` listens by your settings.")]


def alias(model: Entry, alias: Alias, version: Number = None, delete: Delete = False, url: Url = None) -> None:
    """Let an alias mean a version of a model, on a running server.

    A version that is not served is loaded first; then every new request for MODEL@ALIAS goes to it. A restarted server knows it
    still: the alias is kept in the entry's folder.
    """
    with sentences(USAGE):
        if delete == (version is not None):
            raise ConfigurationError(f"Name the version, as in `jubako alias {model} {alias} 2`, or say --delete.")
    with sentences(FAILED), Client(url or url_of_settings()) as client:
        if version is None:
            client.delete_alias(model, alias)
        else:
            client.set_alias(model, alias, version)
