"""`jubako key`: who may ask a server what."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Final, cast

import typer
from rich.table import Table
from rich.text import Text

from jubako.access.key import EVERY_MODEL, Key, digest_of, fresh_secret
from jubako.access.key_file import KeyFile
from jubako.access.scope import SCOPES, Scope
from jubako.cli.terminal import FAILED, USAGE, out, remark, sentences
from jubako.errors import ConfigurationError
from jubako.settings import load_settings

key = typer.Typer(
    name="key",
    help="Who may ask a server what.\n\nBegin with: jubako key create NAME --file keys.toml",
    no_args_is_help=True,
)

UNITS: Final = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}

FileOption = Annotated[
    Path | None, typer.Option("--file", help="The file of keys. Default: the setting `api_keys`.", show_default=False)
]


@key.command("create")
def create_key(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose it is, for logs and messages.")],
    *,
    scope: Annotated[
        list[str] | None,
        typer.Option(metavar="|".join(SCOPES), help="What it is for; may be repeated. Default: infer.", show_default=False),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME|PATTERN",
            help="A model that it is for, or a pattern such as 'qwen*'; may be repeated. Default: every model.",
            show_default=False,
        ),
    ] = None,
    expires: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="Such as 90d, 12h, 4w or 2027-01-31T00:00:00Z. Default: it never does.", show_default=False
        ),
    ] = None,
    file: FileOption = None,
) -> None:
    """Make a key, and print its secret, this once.

    A running server takes it with the next request.
    """
    with sentences(USAGE):
        scopes, until = _scopes(scope or ["infer"]), _expiry(expires, datetime.now(UTC))
        path = _file(file)
    secret = fresh_secret()
    with sentences(FAILED):
        KeyFile(path).add(Key(name, digest_of(secret.encode()), scopes, tuple(model or [EVERY_MODEL]), until))
    typer.echo(secret)
    remark(f"This is the secret of {name!r}. It is nowhere kept and can't be shown again.")


@key.command("list")
def list_keys(file: FileOption = None) -> None:
    """Show the keys that there are, without their secrets, which nobody has kept."""
    with sentences(USAGE):
        path = _file(file)
    with sentences(FAILED):
        keyring = KeyFile(path).keyring()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("key", "scopes", "models", "expires"):
        table.add_column(column, overflow="fold")
    for each in keyring:
        expires = Text("never") if each.expires is None else Text(each.expires.isoformat(), "red" if each.has_expired else "")
        table.add_row(each.name, ", ".join(each.scopes), Text(", ".join(each.models)), expires)
    out.print(table)


@key.command("revoke")
def revoke_key(name: Annotated[str, typer.Argument(metavar="NAME", help="The key.")], file: FileOption = None) -> None:
    """Take a key away.

    A running server refuses it from the next request on; what has begun is finished.
    """
    with sentences(USAGE):
        path = _file(file)
    with sentences(FAILED):
        KeyFile(path).remove(name)


def _file(named: Path | None) -> Path:
    path = named or load_settings().settings.api_keys
    if path is None:
        raise ConfigurationError("Which file of keys? Name it with --file, or as the setting `api_keys` (JUBAKO_API_KEYS).")
    return path


def _scopes(given: list[str]) -> tuple[Scope, ...]:
    for scope in given:
        if scope not in SCOPES:
            raise ConfigurationError(f"--scope is {scope!r}; it must be {', '.join(SCOPES[:-1])} or {SCOPES[-1]}.")
    return tuple(dict.fromkeys(cast("list[Scope]", given)))


def _expiry(text: str | None, now: datetime) -> datetime | None:
    """The time that a person writes, as a period from `now` or a date and time; a date alone is its first moment, UTC."""
    if text is None:
        return None
    if period := re.fullmatch(r"(\d{1,4})([hdw])", text):
        time = now + int(period[1]) * UNITS[period[2]]
    else:
        try:
            time = datetime.fromisoformat(text)
        except ValueError:
            raise ConfigurationError(f"--expires is {text!r}; it must be such as 90d, 12h, 4w or 2027-01-31T00:00:00Z.") from None
    time = time.replace(microsecond=0, tzinfo=time.tzinfo or UTC)
    if time <= now:
        raise ConfigurationError(f"--expires is {text!r}, which is over already.")
    return time
