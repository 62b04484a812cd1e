"""`jubako serve`."""

from __future__ import annotations

import signal
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from jubako.access.guard import Guard
from jubako.cli.banner import Announcer
from jubako.cli.bento import bento_of, settings_in
from jubako.cli.flags import with_settings
from jubako.cli.preparation import prepare
from jubako.cli.terminal import FAILED, USAGE, out, remark, sentences
from jubako.errors import ConfigurationError
from jubako.grpc.transport.tls import Files
from jubako.listening import address_for_clients, address_of, held_port, url_of
from jubako.settings import FlagValue, LoadedSettings, Settings, as_text, load_settings


@with_settings
def serve(
    *,
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", show_default=False, help="TOML file of settings; also JUBAKO_CONFIG."),
    ] = None,
    show_settings: Annotated[bool, typer.Option("--show-settings", help="Print each setting and where it comes from.")] = False,
    **flags: FlagValue | None,
) -> None:
    """Serve a model repository, or a bento that `jubako build` made.

    Models whose weights are missing are fetched first. Settings come from these flags, then from JUBAKO_* variables, then from
    the file that --config names.
    """
    with sentences(USAGE):
        loaded = load_settings({name: value for name, value in flags.items() if value is not None}, config)
    for note in loaded.notes:
        remark(note)
    if show_settings:
        out.print(_table(loaded))
        return
    _serve(loaded.settings)


def _serve(settings: Settings) -> None:
    signal.signal(signal.SIGTERM, _leave)  # until the arbiter takes over
    with ExitStack() as held:
        with sentences(FAILED):
            address = address_of(settings.host)
            settings = settings.model_copy(update=_ports(settings, held))
            files = Files.of(settings)
            if files is not None:
                files.context()
            asks = Guard.of(settings) is not None
            bento = bento_of(settings)
            if bento is not None:
                settings = settings_in(bento, settings)
            prepare(settings)
        # Not imported above: BentoML takes a second, which the other commands need not wait for.
        arbiter = import_module("jubako.cli.arbiter")
        with Announcer(url_of(settings.host, settings.port), _grpc_place(settings, files), asks_for_key=asks):
            arbiter.run(settings, address, bento)


def _ports(settings: Settings, held: ExitStack) -> dict[str, int]:
    """Where to listen: what was said, or free ports that are `held` until the server has ended."""
    port = held.enter_context(held_port(settings.host, settings.port))
    grpc_port = held.enter_context(held_port(settings.host, settings.grpc_port, "--grpc-port"))
    if port == grpc_port:
        raise ConfigurationError(f"HTTP and gRPC can't share port {port}. Choose another with --grpc-port.")
    return {"port": port, "grpc_port": grpc_port}


def _grpc_place(settings: Settings, files: Files | None) -> str:
    address = address_for_clients(settings.host, settings.grpc_port)
    if files is None:
        return address
    return f"{address} with TLS" if files.client_ca is None else f"{address} with TLS and clients' certificates"


def _leave(signum: int, frame: FrameType | None) -> None:
    raise SystemExit(0)


def _table(loaded: LoadedSettings) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("setting", no_wrap=True)
    table.add_column("value", overflow="fold")
    table.add_column("from", no_wrap=True)
    for name, origin in loaded.origins.items():
        value = as_text(getattr(loaded.settings, name))
        table.add_row(name, Text(value), Text(loaded.place_of(name), "dim" if origin == "default" else "green"))
    return table
