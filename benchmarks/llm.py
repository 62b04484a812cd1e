"""Tokens a second and time to first token, through `jubako serve` and from the bare engine in the same run.

Both sides have the same weights, threads and slots, and are asked for prompts of one kind: 64 tokens in, 64 out, greedy and
streamed. Rounds alternate; while one side works the other stands still. `python -m benchmarks.llm --help` lists what can vary.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from benchmarks import machine
from benchmarks.served import Served, serving
from benchmarks.streams import Stream, stream_all
from jubako.backends.declarations import BACKENDS
from jubako.paths import default_cache, shipped
from jubako.repository.cache import Cache
from jubako.repository.progress import Silent
from jubako.repository.repository import read_repository
from jubako.repository.sources import fetch_weights

MODEL = "smollm2"
PROMPT_TOKENS = 64
NEW_TOKENS = 64
CONTEXT_LENGTH = 256
SHORT_PROMPT = [504, 3575, 282]
IDLE_ROUNDS = 5
IDLE_REQUESTS = 20
STORY = "Once upon a time, in a village between two rivers, there lived a clockmaker who could not sleep. " * 6


@dataclass(frozen=True)
class Round:
    """What one side did with one set of prompts. `first_ms` is the median over the streams."""

    tokens_per_s: float
    first_ms: float


@dataclass(frozen=True)
class Comparison:
    """Medians over all rounds. `ratio` and `added_ms` are medians of what each pair of neighbouring rounds gave."""

    streams: int
    bare_tokens_per_s: float
    served_tokens_per_s: float
    ratio: float
    bare_first_ms: float
    served_first_ms: float
    added_ms: float


@dataclass(frozen=True)
class Idle:
    """Time to the first token of a lone request, medians over rounds."""

    bare_first_ms: float
    served_first_ms: float
    added_ms: float


class BareEngine:
    """llama.cpp in a process of its own. A context manager's value; see :func:`bare_engine`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._answer()

    def run(self, prompts: list[list[int]], new_tokens: int = NEW_TOKENS) -> list[Stream]:
        assert self._process.stdin
        self._process.stdin.write(json.dumps({"prompts": prompts, "new_tokens": new_tokens}) + "\n")
        self._process.stdin.flush()
        return [Stream(**stream) for stream in json.loads(self._answer())]

    def _answer(self) -> str:
        assert self._process.stdout
        if not (line := self._process.stdout.readline()):
            raise RuntimeError("the bare engine ended")
        return line


def main() -> None:
    arguments = _arguments()
    weights = _weights()
    prompts = Prompts()
    words = machine.description("bentoml", "xllamacpp")
    with (
        tempfile.TemporaryDirectory(prefix="jubako-bench-") as folder,
        serving(_repository(Path(folder), arguments), "--no-access-log") as served,
        bare_engine(weights, arguments) as bare,
    ):
        idle = _compare_idle(served, bare)
        comparisons = [compare(streams, served, bare, prompts, arguments) for streams in arguments.streams]
    console = Console()
    console.print(table(comparisons, arguments))
    console.print(
        f"first token of a cached prompt, idle: bare {idle.bare_first_ms:.1f} ms, served {idle.served_first_ms:.1f} ms, "
        f"added {idle.added_ms:+.1f} ms"
    )
    console.print(", ".join(f"{name} {word}" for name, word in words.items()), style="dim", highlight=False)
    results = [asdict(idle), *(asdict(each) for each in comparisons)]
    file = machine.write("llm", words | {"threads": str(arguments.threads)}, results)
    console.print(f"kept in {file}", style="dim", highlight=False)


class Prompts:
    """Prompts of exactly 64 tokens: a story, and before it two tokens of which no prompt has the same, so that no cache of the
    engine helps either side."""

    def __init__(self) -> None:
        self._made = 0
        self._story: list[int] = []

    def learn(self, served: Served) -> None:
        """Take the story's tokens from the server."""
        if not self._story:
            body = json.dumps({"model": MODEL, "prompt": STORY}).encode()
            self._story = json.loads(served.post("/tokenize", body))["tokens"]

    def take(self, count: int) -> list[list[int]]:
        return [self._next() for _ in range(count)]

    def _next(self) -> list[int]:
        self._made += 1
        number = [1000 + self._made % 997, 2000 + self._made // 997]
        return [*number, *self._story][:PROMPT_TOKENS]


def compare(streams: int, served: Served, bare: BareEngine, prompts: Prompts, arguments: argparse.Namespace) -> Comparison:
    """Rounds of both sides in turn, each with so many streams."""
    prompts.learn(served)
    pairs: list[tuple[Round, Round]] = []
    for number in range(arguments.rounds + 1):
        repeats = arguments.repeats if streams == 1 else 1
        with served.suspended():
            of_bare = _summary([bare.run(prompts.take(streams)) for _ in range(repeats)])
        of_served = _summary(
            [asyncio.run(stream_all(served.port, MODEL, prompts.take(streams), NEW_TOKENS)) for _ in range(repeats)]
        )
        if number:  # the first warms up
            pairs.append((of_bare, of_served))
            print(f"{streams:3} streams, round {number}: {of_bare} {of_served}", file=sys.stderr)
    return Comparison(
        streams=streams,
        bare_tokens_per_s=median(bare.tokens_per_s for bare, _ in pairs),
        served_tokens_per_s=median(served.tokens_per_s for _, served in pairs),
        ratio=median(served.tokens_per_s / bare.tokens_per_s for bare, served in pairs),
        bare_first_ms=median(bare.first_ms for bare, _ in pairs),
        served_first_ms=median(served.first_ms for _, served in pairs),
        added_ms=median(served.first_ms - bare.first_ms for bare, served in pairs),
    )


def _compare_idle(served: Served, bare: BareEngine) -> Idle:
    """Lone requests whose prompt the engine has in its cache, so that what serving adds is not lost in its work."""
    of_bare: list[float] = []
    of_served: list[float] = []
    for number in range(IDLE_ROUNDS + 1):
        with served.suspended():
            bare_ms = [1000 * bare.run([SHORT_PROMPT], 2)[0].first_s for _ in range(IDLE_REQUESTS)]
        asked = (asyncio.run(stream_all(served.port, MODEL, [SHORT_PROMPT], 2)) for _ in range(IDLE_REQUESTS))
        served_ms = [1000 * stream.first_s for (stream,) in asked]
        if number:  # the first warms up
            of_bare.append(median(bare_ms))
            of_served.append(median(served_ms))
    added = median(mine - theirs for mine, theirs in zip(of_served, of_bare, strict=True))
    return Idle(median(of_bare), median(of_served), added)


def _summary(repeats: list[list[Stream]]) -> Round:
    """One round, of several repeats where single streams make a round too short to trust."""
    tokens = sum(len(streams) for streams in repeats) * NEW_TOKENS
    seconds = sum(max(stream.last_s for stream in streams) for streams in repeats)
    return Round(tokens / seconds, 1000 * median(stream.first_s for streams in repeats for stream in streams))


@contextmanager
def bare_engine(weights: Path, arguments: argparse.Namespace) -> Iterator[BareEngine]:
    settings = {
        "weights": str(weights),
        "slots": arguments.slots,
        "threads": arguments.threads,
        "context_length": CONTEXT_LENGTH,
        "batch": arguments.bare_batch,
    }
    command = [sys.executable, "-m", "benchmarks.bare_engine", json.dumps(settings)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            yield BareEngine(process)
        finally:
            process.kill()


def _weights() -> Path:
    model = read_repository(shipped("model_repository"), BACKENDS).models[MODEL]
    weights = fetch_weights(model.latest, Cache(default_cache()), Silent())
    assert weights is not None
    return weights


def _repository(folder: Path, arguments: argparse.Namespace) -> Path:
    """The shipped model with as many slots as streams, and this run's threads."""
    entry = folder / MODEL
    shutil.copytree(shipped("model_repository") / MODEL, entry)
    batch = f", n_batch: {arguments.served_batch}" if arguments.served_batch else ""
    engine = f"{{n_ctx: {CONTEXT_LENGTH}, n_parallel: {arguments.slots}, n_threads: {arguments.threads}{batch}}}"
    (entry / "model.yaml").write_text(f"backend: llama_cpp\nengine: {engine}\n")
    return folder


def table(comparisons: list[Comparison], arguments: argparse.Namespace) -> Table:
    shown = Table(title=f"64 prompt + 64 new tokens, greedy, {arguments.threads} threads, {arguments.slots} slots")
    for column in ("streams", "bare tok/s", "served tok/s", "ratio", "bare first token", "served first token", "added"):
        shown.add_column(column, justify="right")
    for each in comparisons:
        shown.add_row(
            str(each.streams),
            f"{each.bare_tokens_per_s:.1f}",
            f"{each.served_tokens_per_s:.1f}",
            f"{each.ratio:.3f}",
            f"{each.bare_first_ms:.1f} ms",
            f"{each.served_first_ms:.1f} ms",
            f"{each.added_ms:+.1f} ms",
        )
    return shown


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.llm", description=(__doc__ or "").partition("\n")[0])
    cores = len(os.sched_getaffinity(0))
    parser.add_argument("--threads", type=int, default=max(1, cores - 1), help="threads of the engine, on both sides")
    parser.add_argument("--slots", type=int, default=16, help="requests that generate at once, on both sides")
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 4, 8, 16], help="how many to ask for at once")
    parser.add_argument("--rounds", type=int, default=5, help="measured rounds of each side")
    parser.add_argument("--repeats", type=int, default=5, help="requests, one after the other, in a round of one stream")
    parser.add_argument("--bare-batch", type=int, default=0, help="n_batch of the bare engine; 0 is llama.cpp's own")
    parser.add_argument("--served-batch", type=int, default=0, help="n_batch of the served model; 0 is jubako's own")
    return parser.parse_args()


if __name__ == "__main__":
    main()
