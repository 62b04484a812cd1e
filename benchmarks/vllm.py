"""Tokens a second and time to first token of the backend vllm, and of vLLM's own server in the same run.

Both have the same weights, engine arguments and interpreter, and are asked over HTTP for prompts of one kind: 64 tokens in,
64 out, greedy and streamed. Rounds alternate; while one side works the other stands still. It needs the environment that
`jubako env create vllm` makes. `python -m benchmarks.vllm --help` lists what can vary.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import psutil
from rich.console import Console
from rich.table import Table

from benchmarks import machine
from benchmarks.converted import interpreter_of, weights_of
from benchmarks.llm import CONTEXT_LENGTH, MODEL, NEW_TOKENS, Prompts
from benchmarks.served import Served, free_port, serving
from benchmarks.streams import Stream, stream_all

HOST = "127.0.0.1"
ENTRY = "smollm2-vllm"
ASK_AGAIN_S = 0.2
PATIENCE_S = 900.0
"""Longest wait for a server, which may compile on a machine that is busy."""


@dataclass(frozen=True)
class Round:
    """What one side did with one set of prompts. `first_ms` and `gap_ms` are medians over the streams; a gap is the mean time
    between two tokens of a stream."""

    tokens_per_s: float
    first_ms: float
    gap_ms: float


@dataclass(frozen=True)
class Comparison:
    """Medians over all rounds. `ratio` is the median of what each pair of neighbouring rounds gave."""

    streams: int
    own: Round
    served: Round
    ratio: float


class OwnServer:
    """vLLM's own server, on a port of its own, with the log in a file."""

    def __init__(self, weights: Path, python: str, log: Path, arguments: argparse.Namespace) -> None:
        self.port = free_port()
        self._log = log
        command = [python, "-m", "vllm.entrypoints.openai.api_server", "--model", str(weights), "--served-model-name", MODEL]
        command += ["--host", HOST, "--port", str(self.port), "--uvicorn-log-level", "warning"]
        command += ["--max-model-len", str(CONTEXT_LENGTH), "--max-num-seqs", str(arguments.slots)]
        command += ["--dtype", arguments.dtype]
        command += ["--enforce-eager"] if arguments.eager else []
        variables = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_LOGGING_LEVEL": "WARNING", "VLLM_NO_USAGE_STATS": "1"}
        environment = {**os.environ, **variables, "HF_HUB_OFFLINE": "1"}
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=environment, start_new_session=True
            )

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise RuntimeError(f"vLLM's server ended with status {self._process.returncode}:\n{self._log.read_text()}")
            try:
                connection = http.client.HTTPConnection(HOST, self.port, timeout=PATIENCE_S)
                connection.request("GET", "/health")
                if connection.getresponse().status == 200:
                    return
            except (OSError, http.client.HTTPException):
                pass
            time.sleep(ASK_AGAIN_S)
        raise RuntimeError(f"vLLM's server was not ready within {PATIENCE_S} s:\n{self._log.read_text()}")

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """Every process of the server stands still meanwhile."""
        processes = [psutil.Process(self._process.pid), *psutil.Process(self._process.pid).children(recursive=True)]
        for process in processes:
            process.suspend()
        try:
            yield
        finally:
            for process in reversed(processes):
                process.resume()

    def stop(self) -> None:
        """Its engine core as well, which would outlive it."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def main() -> None:
    arguments = _arguments()
    python = arguments.python or interpreter_of(ENTRY)
    weights = arguments.weights.absolute() if arguments.weights else weights_of(ENTRY, python)
    prompts = Prompts()
    with tempfile.TemporaryDirectory(prefix="jubako-bench-") as name:
        folder = Path(name)
        own = OwnServer(weights, python, folder / "own.log", arguments)
        try:
            # One after the other: both would compile at once otherwise.
            own.wait_until_ready()
            with own.suspended():
                server = serving(
                    _repository(folder / "repository", weights, python, arguments), "--no-access-log", patience_s=PATIENCE_S
                )
                served = server.__enter__()
            try:
                comparisons = [_compare(streams, served, own, prompts, arguments) for streams in arguments.streams]
            finally:
                server.__exit__(None, None, None)
        finally:
            own.stop()
    _report(comparisons, python, arguments)


def _compare(streams: int, served: Served, own: OwnServer, prompts: Prompts, arguments: argparse.Namespace) -> Comparison:
    pairs: list[tuple[Round, Round]] = []
    for number in range(arguments.rounds + 1):
        with own.suspended():
            prompts.learn(served)
            of_served = _round(served.port, prompts.take(streams))
        with served.suspended():
            of_own = _round(own.port, prompts.take(streams))
        if number:  # the first warms up
            pairs.append((of_own, of_served))
            print(f"{streams:3} streams, round {number}: {of_own} {of_served}", file=sys.stderr)
    return Comparison(
        streams=streams,
        own=_median([own for own, _ in pairs]),
        served=_median([served for _, served in pairs]),
        ratio=median(served.tokens_per_s / own.tokens_per_s for own, served in pairs),
    )


def _round(port: int, prompts: list[list[int]]) -> Round:
    streams = asyncio.run(stream_all(port, MODEL, prompts, NEW_TOKENS))
    return Round(
        len(streams) * NEW_TOKENS / max(stream.last_s for stream in streams),
        1000 * median(stream.first_s for stream in streams),
        1000 * median(_gap_s(stream) for stream in streams),
    )


def _gap_s(stream: Stream) -> float:
    return (stream.last_s - stream.first_s) / (NEW_TOKENS - 1)


def _median(rounds: list[Round]) -> Round:
    return Round(
        median(each.tokens_per_s for each in rounds),
        median(each.first_ms for each in rounds),
        median(each.gap_ms for each in rounds),
    )


def _repository(folder: Path, weights: Path, python: str, arguments: argparse.Namespace) -> Path:
    entry = folder / MODEL
    (entry / "1").mkdir(parents=True)
    engine = {"max_model_len": CONTEXT_LENGTH, "max_num_seqs": arguments.slots, "cpu_kvcache_space_gib": 1}
    engine["dtype"] = arguments.dtype
    engine |= {"enforce_eager": True} if arguments.eager else {}
    document = {"backend": "vllm", "source": f"file:{weights}", "environment": python, "engine": engine}
    # A server that stands still looks stalled when it goes on.
    document["limits"] = {"stall_timeout_s": PATIENCE_S}
    (entry / "model.yaml").write_text(json.dumps(document))  # JSON is YAML
    return folder


def _report(comparisons: list[Comparison], python: str, arguments: argparse.Namespace) -> None:
    kind = "eager" if arguments.eager else "compiled"
    table = Table(title=f"64 prompt + 64 new tokens, greedy, {arguments.slots} slots, {kind}")
    for column in ("streams", "vLLM tok/s", "jubako tok/s", "ratio", "vLLM first", "jubako first", "vLLM gap", "jubako gap"):
        table.add_column(column, justify="right")
    for each in comparisons:
        table.add_row(
            str(each.streams),
            f"{each.own.tokens_per_s:.1f}",
            f"{each.served.tokens_per_s:.1f}",
            f"{each.ratio:.3f}",
            f"{each.own.first_ms:.0f} ms",
            f"{each.served.first_ms:.0f} ms",
            f"{each.own.gap_ms:.1f} ms",
            f"{each.served.gap_ms:.1f} ms",
        )
    console = Console()
    console.print(table)
    words = machine.description("bentoml") | {"vllm": _vllm_version(python), "kind": kind}
    console.print(", ".join(f"{name} {word}" for name, word in words.items()), style="dim", highlight=False)
    console.print(f"kept in {machine.write('vllm', words, [asdict(each) for each in comparisons])}", style="dim", highlight=False)


def _vllm_version(python: str) -> str:
    program = "from importlib.metadata import distributions as d; print(next(x.version for x in d() if 'vllm' in x.name))"
    return subprocess.run([python, "-c", program], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.vllm", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--slots", type=int, default=16, help="requests that generate at once, on both sides")
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 4, 8, 16], help="how many to ask for at once")
    parser.add_argument("--rounds", type=int, default=5, help="measured rounds of each side")
    parser.add_argument("--eager", action="store_true", help="do not compile: loads sooner, generates more slowly")
    parser.add_argument("--dtype", default="auto", help="of the weights; float32 where the CPU has no instructions for bfloat16")
    parser.add_argument("--weights", type=Path, help="a Hugging Face folder; default: that of the entry smollm2-vllm")
    parser.add_argument("--python", default="", help="the interpreter with vLLM; default: that of its environment")
    return parser.parse_args()


if __name__ == "__main__":
    main()
