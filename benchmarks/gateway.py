"""Requests a second of the gateway with a model that only echoes, the memory of each process, and seconds to ready.

The server has core 0, all of its processes together, and the load core 1. What it could be at best is measured in the same run:
uvicorn with an application that answers a constant, on the same core. `python -m benchmarks.gateway --help` lists what can vary.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from benchmarks import machine
from benchmarks.load import Load, Target, generator, put
from benchmarks.served import Memory, free_port, serving
from jubako.paths import shipped

SERVER_CORE = 0
BODY = json.dumps({"model": "echo", "messages": [{"role": "user", "content": "hello"}]})


@dataclass(frozen=True)
class Measurement:
    what: str
    connections: int
    load: Load


def main() -> None:
    arguments = _arguments()
    words = machine.description("bentoml", "uvicorn", "uvloop") | {"load generator": generator()}
    measurements, memory = _throughput(arguments)
    started = [_seconds_to_ready() for _ in range(arguments.starts)]
    console = Console()
    console.print(_load_table(measurements))
    console.print(_memory_table(memory))
    console.print(
        f"ready after {median(started):.2f} s (median of {', '.join(f'{each:.2f}' for each in started)}), model smollm2"
    )
    console.print(", ".join(f"{name} {word}" for name, word in words.items()), style="dim", highlight=False)
    results = {
        "load": [asdict(each) for each in measurements],
        "memory_mib": [asdict(each) for each in memory],
        "ready_s": started,
    }
    console.print(f"kept in {machine.write('gateway', words, results)}", style="dim", highlight=False)


def _throughput(arguments: argparse.Namespace) -> tuple[list[Measurement], list[Memory]]:
    measurements = []
    with (
        tempfile.TemporaryDirectory(prefix="jubako-bench-") as folder,
        serving(_echo_repository(Path(folder)), "--no-access-log", cores={SERVER_CORE}) as served,
        _bare_uvicorn() as bare_port,
    ):
        targets = {
            "bare uvicorn POST": Target(bare_port, "/", BODY),
            "POST /v1/chat/completions": Target(served.port, "/v1/chat/completions", BODY),
            "GET /v1/models": Target(served.port, "/v1/models"),
        }
        for connections in arguments.connections:
            rounds: dict[str, list[Load]] = {what: [] for what in targets}
            for number in range(arguments.rounds + 1):
                for what, target in targets.items():
                    load = put(target, connections, arguments.seconds if number else 1, arguments.load_core)
                    if number:  # the first warms up
                        rounds[what].append(load)
            measurements += [Measurement(what, connections, _median(loads)) for what, loads in rounds.items()]
        return measurements, served.memory()


def _median(loads: list[Load]) -> Load:
    return Load(
        median(load.requests_per_s for load in loads),
        median(load.p50_ms for load in loads),
        median(load.p99_ms for load in loads),
        sum(load.failed for load in loads),
    )


def _seconds_to_ready() -> float:
    """Of the shipped repository on all cores; the first start fetches the weights if they are not in the cache yet."""
    with serving(shipped("model_repository")) as served:
        return served.ready_s


@contextmanager
def _bare_uvicorn() -> Iterator[int]:
    port = free_port()
    options = ["--port", str(port), "--loop", "uvloop", "--http", "httptools", "--lifespan", "off"]
    options += ["--no-access-log", "--log-level", "warning"]
    command = ["taskset", "--cpu-list", str(SERVER_CORE), sys.executable, "-m", "uvicorn", "benchmarks.bare_asgi:app", *options]
    with subprocess.Popen(command) as process:
        try:
            _wait_for(f"http://127.0.0.1:{port}/")
            yield port
        finally:
            process.terminate()


def _wait_for(url: str) -> None:
    for _ in range(200):
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"nothing answers at {url}")


def _echo_repository(folder: Path) -> Path:
    (folder / "echo" / "1").mkdir(parents=True)
    (folder / "echo" / "model.yaml").write_text("backend: echo\n")
    return folder


def _load_table(measurements: list[Measurement]) -> Table:
    table = Table(title="One core for the server, another for the load")
    for column in ("request", "connections", "requests/s", "p50", "p99", "failed"):
        table.add_column(column, justify="left" if column == "request" else "right", no_wrap=True)
    for each in measurements:
        load = each.load
        table.add_row(
            each.what,
            str(each.connections),
            f"{load.requests_per_s:,.0f}",
            f"{load.p50_ms:.2f} ms",
            f"{load.p99_ms:.2f} ms",
            str(load.failed),
        )
    return table


def _memory_table(memory: list[Memory]) -> Table:
    table = Table(title="Memory after the load, MiB")
    for column in ("process", "RSS", "PSS"):
        table.add_column(column, justify="left" if column == "process" else "right")
    for each in memory:
        table.add_row(each.name, f"{each.rss:.0f}", f"{each.pss:.0f}")
    table.add_row("all", f"{sum(each.rss for each in memory):.0f}", f"{sum(each.pss for each in memory):.0f}")
    return table


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gateway", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 32, 128])
    parser.add_argument("--seconds", type=float, default=5, help="how long each measured round lasts")
    parser.add_argument("--rounds", type=int, default=3, help="measured rounds of each request")
    parser.add_argument("--starts", type=int, default=5, help="how often to measure the time to ready")
    parser.add_argument("--load-core", type=int, default=max(os.sched_getaffinity(0)), help="the core of the load")
    return parser.parse_args()


if __name__ == "__main__":
    main()
