"""What gRPC costs and what streams over it leave behind: `python -m benchmarks.grpc --help` lists the measurements."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from jubako_client import AsyncClient
from rich.console import Console
from rich.table import Table

from benchmarks import machine
from benchmarks.grpc import streamed, unary
from benchmarks.grpc.soak import Load, Outcome, Usage, leaks, soak, stuck, usages
from benchmarks.served import free_port, serving
from jubako.paths import shipped

WARM_S = 20.0
SETTLE_S = 5.0
"""Instances say once a second what they do."""


def main() -> None:
    arguments = _arguments()
    console = Console()
    words = machine.description("bentoml", "grpcio", "uvloop")
    sys.exit(arguments.run(arguments, console, words))


def _unary(arguments: argparse.Namespace, console: Console, words: dict[str, str]) -> int:
    trips = unary.measure(arguments.rounds, arguments.calls)
    table = _table("One call at a time over one connection", "method", "jubako", "bare echo", "ratio")
    for trip in trips:
        table.add_row(trip.method, f"{trip.us:.0f} µs", f"{trip.bare_us:.0f} µs", f"{trip.ratio:.2f}")
    console.print(table)
    _keep(console, "grpc-unary", words, [asdict(trip) for trip in trips])
    return 0


def _streamed(arguments: argparse.Namespace, console: Console, words: dict[str, str]) -> int:
    costs = streamed.measure(arguments.rounds, arguments.streams, arguments.tokens, arguments.delay_s)
    table = _table("CPU time a streamed token", "process", "gRPC", "SSE", "ratio")
    for cost in costs:
        table.add_row(cost.process, f"{cost.grpc_us:.1f} µs", f"{cost.sse_us:.1f} µs", f"{cost.ratio:.2f}")
    console.print(table)
    _keep(console, "grpc-streamed", words, [asdict(cost) for cost in costs])
    return 0


def _soak(arguments: argparse.Namespace, console: Console, words: dict[str, str]) -> int:
    load = Load(model=arguments.model, streams=arguments.streams, cancelled=arguments.cancelled)
    before, after, outcome, metrics = asyncio.run(_soaked(load, arguments.minutes * 60))
    console.print(_usage_table(before, after))
    console.print(f"{outcome.whole} streams read to the end ({outcome.tokens} tokens), {outcome.left} left")
    problems = [*stuck(metrics), *leaks(before, after)]
    if outcome.errors:
        problems.append(f"Streams failed: {outcome.errors}.")
    for problem in problems:
        console.print(problem, style="red")
    results = {
        "load": asdict(load),
        "minutes": arguments.minutes,
        "outcome": asdict(outcome),
        "before": [asdict(each) for each in before],
        "after": [asdict(each) for each in after],
        "problems": problems,
    }
    _keep(console, "grpc-soak", words, results)
    return 1 if problems else 0


async def _soaked(load: Load, seconds: float) -> tuple[list[Usage], list[Usage], Outcome, str]:
    """What the processes have before and after, how the streams ended, and the metrics after them."""
    port = free_port()
    with (
        tempfile.TemporaryDirectory(prefix="jubako-bench-") as folder,
        serving(_repository(Path(folder), load), "--no-access-log", "--grpc-port", str(port)) as served,
    ):
        target = f"127.0.0.1:{port}"
        async with AsyncClient(target) as client:
            await client.chat(load.model, "hello", max_tokens=1)
        await soak(target, load, WARM_S)
        before = usages(served.processes())
        outcome = await soak(target, load, seconds)
        await asyncio.sleep(SETTLE_S)
        return before, usages(served.processes()), outcome, served.get("/metrics")[1].decode()


def _repository(root: Path, load: Load) -> Path:
    """The shipped entry of the model, or one of the echo that is slow enough to be left; its queue holds every stream."""
    entry = root / load.model
    if load.model == "echo":
        (entry / "1").mkdir(parents=True)
        (entry / "model.yaml").write_text("backend: echo\nengine: {slots: 64, token_delay_s: 0.02}\n")
    else:
        shutil.copytree(shipped("model_repository") / load.model, entry)
    with (entry / "model.yaml").open("a") as file:
        file.write(f"limits: {{max_queue_size: {load.streams}}}\n")
    return root


def _usage_table(before: list[Usage], after: list[Usage]) -> Table:
    table = _table("Before and after", "process", "RSS, MiB", "descriptors", "threads")
    for old, new in zip(before, after, strict=False):
        table.add_row(
            new.name,
            f"{old.rss_mib:.0f} → {new.rss_mib:.0f}",
            f"{old.descriptors} → {new.descriptors}",
            f"{old.threads} → {new.threads}",
        )
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title)
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left", no_wrap=True)
    return table


def _keep(console: Console, name: str, words: dict[str, str], results: object) -> None:
    console.print(", ".join(f"{word} {value}" for word, value in words.items()), style="dim", highlight=False)
    console.print(f"kept in {machine.write(name, words, results)}", style="dim", highlight=False)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.grpc", description=(__doc__ or "").partition(":")[0])
    chosen = parser.add_subparsers(required=True, metavar="MEASUREMENT")

    small = chosen.add_parser("unary", help="the round trip of small calls, beside that to a bare grpc.aio echo")
    small.add_argument("--rounds", type=int, default=9, help="measured rounds of each method")
    small.add_argument("--calls", type=int, default=2000, help="in a round")
    small.set_defaults(run=_unary)

    tokens = chosen.add_parser("streamed", help="the CPU time that a streamed token costs, over gRPC and over SSE")
    tokens.add_argument("--rounds", type=int, default=7, help="measured rounds over each")
    tokens.add_argument("--streams", type=int, default=16, help="at once")
    tokens.add_argument("--tokens", type=int, default=300, help="of a stream")
    tokens.add_argument("--delay-s", type=float, default=0.01, help="between two tokens of a stream")
    tokens.set_defaults(run=_streamed)

    long = chosen.add_parser("soak", help="many streams, some of which are left; fails if anything stays behind")
    long.add_argument("--minutes", type=float, default=10, help="how long, after warming up")
    long.add_argument("--streams", type=int, default=200, help="open at any time")
    long.add_argument("--cancelled", type=float, default=0.2, help="the share of streams that are left before their end")
    long.add_argument("--model", choices=["echo", "smollm2"], default="echo", help="which model is asked")
    long.set_defaults(run=_soak)
    return parser.parse_args()


if __name__ == "__main__":
    main()
