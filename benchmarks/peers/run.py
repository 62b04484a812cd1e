"""A run: every session that was asked for and is not in the journal yet."""

from __future__ import annotations

import http.client
import re
import subprocess
from collections.abc import Sequence

import grpc
from rich.console import Console
from rich.markup import escape

from benchmarks import machine
from benchmarks.peers.declaration import Environment, Peer
from benchmarks.peers.experiments.base import Experiment, Options, Point, Session
from benchmarks.peers.install import is_installed
from benchmarks.peers.journal import Journal, Row
from benchmarks.peers.places import HERE, Places
from benchmarks.peers.server import NotReady, Server, serving

OVERHEAD_S = 5
"""About what a point takes beside its measured seconds: warming up, starting the generator."""

FAILURES = (NotReady, RuntimeError, OSError, http.client.HTTPException, grpc.RpcError, subprocess.SubprocessError)


def run(experiments: Sequence[Experiment], options: Options, journal: Journal, console: Console) -> None:
    """Measure. Each row is kept at once, so that a run may be broken off at any time and goes on where it was."""
    sessions = [session for each in experiments for session in each.sessions(options) if _open(session, journal)]
    points = sum(len(_open(session, journal)) for session in sessions)
    minutes = points * (options.seconds + OVERHEAD_S) / 60
    console.print(f"{points} points in {len(sessions)} sessions, some {minutes:.0f} minutes", style="bold")
    for number, session in enumerate(sessions, 1):
        place = f"{session.experiment.name} {session.workload.key} {session.peer.name}"
        console.print(f"[bold]\\[{number}/{len(sessions)}][/] {place}, repetition {session.repetition}", highlight=False)
        _measure(session, options, journal, console)


def describe(peers: Sequence[Peer], options: Options) -> dict[str, str]:
    """The machine, the generators, and the versions of everything that is measured."""
    words = machine.description() | {"commit": _commit(), "torch": _distribution("torch")}
    words |= {tool: _version([tool, "--version"]) for tool in ("wrk", "h2load")}
    words["pinned"] = f"server to core {options.server_core}, load to core {options.load_core}"
    for environment in {peer.environment.name: peer.environment for peer in peers if peer.environment}.values():
        words |= _versions(environment, options.places)
    return {name: word for name, word in words.items() if word}


def _open(session: Session, journal: Journal) -> list[int]:
    return [number for number, point in enumerate(session.points) if not journal.has(session.key(point))]


def _measure(session: Session, options: Options, journal: Journal, console: Console) -> None:
    experiment = session.experiment
    try:
        with serving(
            session.peer,
            session.workload,
            options.places,
            cores=experiment.cores(options),
            copies=experiment.copies,
            environment=experiment.environment(),
        ) as server:
            for number in _open(session, journal):
                point = session.points[number]
                row = _measure_point(session, point, server, options, journal)
                console.print(f"  {point.front} {point.how}: {escape(_in_short(row))}", highlight=False)
    except NotReady as error:
        for number in _open(session, journal):
            journal.write(session.key(session.points[number]), {"error": str(error)})
        console.print(f"  [red]{escape(str(error).partition(chr(10))[0])}[/]", highlight=False)


def _measure_point(session: Session, point: Point, server: Server, options: Options, journal: Journal) -> Row:
    try:
        return journal.write(session.key(point), session.experiment.measure(server, point, options))
    except FAILURES as error:
        return journal.write(session.key(point), {"error": f"{type(error).__name__}: {error}"})


def _in_short(row: Row) -> str:
    if "error" in row:
        return str(row["error"])[:300]
    if "requests_per_s" in row:
        said = f"{row['requests_per_s']:,.0f}/s, p50 {row['p50_ms']:.2f} ms, p99 {row['p99_ms']:.2f} ms"
        return said + (f", {row['failed']} failed" if row["failed"] else "") + ("" if row["clean"] else ", others were busy")
    beside = {"measurement", "workload", "peer", "front", "how", "repetition", "time", "seconds"}
    return ", ".join(f"{name} {value}" for name, value in row.items() if name not in beside)[:300]


def _versions(environment: Environment, places: Places) -> dict[str, str]:
    if not is_installed(environment, places):
        return {}
    program = "import sys; from importlib.metadata import version; print(*map(version, sys.argv[1:]))"
    words = [places.python(environment.name), "-c", program, *environment.versions_of]
    found = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    return {
        f"{environment.name}'s {name}" if name != environment.name else name: version
        for name, version in zip(environment.versions_of, found, strict=True)
    }


def _distribution(name: str) -> str:
    return machine.description(name)[name]


def _commit() -> str:
    """Of jubako, with a + where files differ from it; empty outside a checkout."""
    words = ["git", "describe", "--always", "--dirty=+"]
    return subprocess.run(words, cwd=HERE, capture_output=True, text=True, check=False).stdout.strip()


def _version(words: list[str]) -> str:
    """The first number with dots that it says; wrk ends with a status other than 0."""
    said = subprocess.run(words, capture_output=True, text=True, check=False)
    found = re.search(r"\d+(\.\d+)+", said.stdout + said.stderr)
    return found[0] if found else ""
