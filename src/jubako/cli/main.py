"""The `jubako` command."""

from __future__ import annotations

import typer

from jubako.cli.alias import alias
from jubako.cli.bench import bench
from jubako.cli.build import build
from jubako.cli.chat import chat
from jubako.cli.client_package import client
from jubako.cli.containerize import containerize
from jubako.cli.convert import convert
from jubako.cli.doctor import doctor
from jubako.cli.environment import env
from jubako.cli.key import key
from jubako.cli.loading import load, unload
from jubako.cli.manifest import manifest
from jubako.cli.registry import push
from jubako.cli.repository import check, ls, pull, schema
from jubako.cli.sbom import sbom
from jubako.cli.serve import serve
from jubako.cli.stat import stat
from jubako.cli.version import print_version

SERVING = "Serve and try"
REPOSITORY = "The model repository"
SHIPPING = "Containers and clusters"
ABOUT = "This installation"

app = typer.Typer(
    name="jubako",
    help="One versioned model repository, every engine behind one interface.\n\nBegin with: jubako serve",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.command(rich_help_panel=SERVING)(serve)
app.command(rich_help_panel=SERVING)(chat)
app.command(rich_help_panel=SERVING)(load)
app.command(rich_help_panel=SERVING)(unload)
app.command(rich_help_panel=SERVING)(alias)
app.command(rich_help_panel=SERVING)(stat)
app.command(rich_help_panel=SERVING)(bench)
app.add_typer(key, rich_help_panel=SERVING)
app.command(rich_help_panel=REPOSITORY)(ls)
app.command(rich_help_panel=REPOSITORY)(pull)
app.command(rich_help_panel=REPOSITORY)(push)
app.command(rich_help_panel=REPOSITORY)(check)
app.command(rich_help_panel=REPOSITORY)(schema)
app.add_typer(convert, rich_help_panel=REPOSITORY)
app.add_typer(env, rich_help_panel=REPOSITORY)
app.command(rich_help_panel=SHIPPING)(build)
app.command(rich_help_panel=SHIPPING)(containerize)
app.add_typer(client, rich_help_panel=SHIPPING)
app.command(rich_help_panel=SHIPPING)(sbom)
app.command(rich_help_panel=SHIPPING)(manifest)
app.command(rich_help_panel=ABOUT)(doctor)
app.command("version", rich_help_panel=ABOUT)(print_version)
