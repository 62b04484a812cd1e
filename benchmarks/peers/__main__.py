"""``python -m benchmarks.peers install|run|table``: jubako beside other model servers."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path

from rich.console import Console

from benchmarks.machine import RESULTS
from benchmarks.peers.experiments import EXPERIMENTS
from benchmarks.peers.experiments.base import Options
from benchmarks.peers.install import InstallError, install, missing
from benchmarks.peers.journal import Journal, OtherRun
from benchmarks.peers.known import PEERS
from benchmarks.peers.places import CACHE_VARIABLE, Places, default_cache
from benchmarks.peers.plot import NoMatplotlib, plot
from benchmarks.peers.requests import FRONTS
from benchmarks.peers.run import describe, run
from benchmarks.peers.tables import tables
from benchmarks.peers.workloads import WORKLOADS

PLOTTED_CONNECTIONS = 32
WIDE = 150


class CannotRun(Exception):
    """Something is missing; the message says what to do."""


def main() -> None:
    arguments = _arguments()
    console = Console() if sys.stdout.isatty() else Console(width=WIDE)
    # So that a server is stopped with the benchmark.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        match arguments.command:
            case "install":
                install([PEERS[name] for name in arguments.peers], Places(arguments.cache), console)
            case "run":
                _run(arguments, console)
                _show(arguments, console)
            case "table":
                _show(arguments, console)
    except (CannotRun, InstallError, NoMatplotlib, OtherRun, ValueError) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit("Broken off. The same command goes on from here.")


def _run(arguments: argparse.Namespace, console: Console) -> None:
    places = Places(arguments.cache)
    peers = tuple(PEERS[name] for name in arguments.peers)
    if lacking := missing(peers, places):
        names = " ".join(arguments.peers)
        raise CannotRun(f"There is no {', no '.join(lacking)}. Install with: python -m benchmarks.peers install --peers {names}")
    if len(os.sched_getaffinity(0)) == 1:
        raise CannotRun("This needs two cores, one for the server and one for the load.")
    if arguments.fresh and arguments.results.exists():
        arguments.results.unlink()
    options = Options(
        peers=peers,
        workloads=tuple(arguments.workloads),
        fronts=tuple(arguments.fronts),
        connections=tuple(arguments.connections),
        rates=tuple(arguments.rates),
        seconds=arguments.seconds,
        repetitions=arguments.repetitions,
        requests=arguments.requests,
        tries=arguments.tries,
        server_core=arguments.server_core,
        load_core=arguments.load_core,
        places=places,
    )
    journal = Journal(arguments.results)
    journal.begin(describe(peers, options))
    run([EXPERIMENTS[name] for name in arguments.only], options, journal, console)


def _show(arguments: argparse.Namespace, console: Console) -> None:
    journal = Journal(arguments.results)
    if not journal.description:
        raise CannotRun(f"There are no figures in {arguments.results}.")
    for table in tables(journal):
        console.print(table)
        console.print()
    asked = [PEERS[name] for name in PEERS if any(name == row["peer"] for each in EXPERIMENTS for row in journal.rows(each))]
    for peer in asked:
        console.print(f"{peer.name}: {peer.setup}", style="dim", highlight=False)
    words = ", ".join(f"{name} {word}" for name, word in journal.description.items())
    console.print(words, style="dim", highlight=False)
    console.print(f"kept in {arguments.results}", style="dim", highlight=False)
    if arguments.plot:
        plot(journal, PLOTTED_CONNECTIONS, arguments.plot)
        console.print(f"drawn in {arguments.plot}", style="dim", highlight=False)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description="jubako beside other model servers.")
    commands = parser.add_subparsers(dest="command", required=True)
    by_default = [name for name, peer in PEERS.items() if peer.by_default]

    installing = commands.add_parser("install", help="make an environment for each server, the load generators, the weights")
    running = commands.add_parser("run", help="measure, and show the tables; goes on with a run that was broken off")
    showing = commands.add_parser("table", help="show the tables of what is measured already")
    for command in (installing, running):
        command.add_argument("--peers", nargs="+", choices=list(PEERS), default=by_default, metavar="NAME", help=_names())
        command.add_argument(
            "--cache", type=_folder, default=default_cache(), help=f"also ${CACHE_VARIABLE}; default %(default)s"
        )
    for command in (running, showing):
        default = RESULTS / "peers.jsonl"
        command.add_argument("--results", type=Path, default=default, help="the file of the run; default %(default)s")
        command.add_argument("--plot", type=Path, metavar="FILE", help="also draw the rates at 32 connections (.png, .svg, .pdf)")
    _add_what(running)
    return parser.parse_args()


def _add_what(running: argparse.ArgumentParser) -> None:
    cores = sorted(os.sched_getaffinity(0))
    add = running.add_argument
    add("--only", nargs="+", choices=list(EXPERIMENTS), default=list(EXPERIMENTS), metavar="MEASUREMENT", help=_measurements())
    add("--workloads", nargs="+", choices=list(WORKLOADS), default=list(WORKLOADS), help="default: all")
    add("--fronts", nargs="+", choices=FRONTS, default=list(FRONTS), help="default: all that a server has")
    add("--connections", nargs="+", type=int, default=[1, 8, 32, 128], help="requests at once; default %(default)s")
    add("--rates", nargs="+", type=int, default=[1000, 2345, 4220], help="requests/s of `open`; default %(default)s")
    add("--seconds", type=int, default=10, help="how long each round lasts; default %(default)s")
    add("--repetitions", type=int, default=3, help="rounds of each point, of which the median counts; default %(default)s")
    add("--requests", type=int, default=100_000, help="how many `endurance` sends; default %(default)s")
    add("--tries", type=int, default=3, help="rounds at most to find one in which nothing else was busy; default %(default)s")
    add("--server-core", type=int, default=cores[0], help="default %(default)s")
    add("--load-core", type=int, default=cores[-1], help="default %(default)s")
    add("--fresh", action="store_true", help="throw away what the results file holds, and begin anew")


def _names() -> str:
    return f"of {', '.join(PEERS)}; default: {', '.join(name for name, peer in PEERS.items() if peer.by_default)}"


def _measurements() -> str:
    return "; ".join(f"{name}: {experiment.title}" for name, experiment in EXPERIMENTS.items()).replace("%", "%%")


def _folder(said: str) -> Path:
    return Path(said).expanduser().absolute()


if __name__ == "__main__":
    main()
