"""Tokens a second and time to first token of the backend transformers, and of the library's bare batching in the same run.

Both sides have the same weights, threads, slots and interpreter, and are asked for prompts of one kind: 64 tokens in, 64 out,
greedy and streamed. Rounds alternate; while one side works the other stands still. It needs the environment that
`jubako env create transformers` makes. `python -m benchmarks.continuous_batching --help` lists what can vary.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from benchmarks import machine
from benchmarks.converted import interpreter_of, weights_of
from benchmarks.llm import CONTEXT_LENGTH, MODEL, BareEngine, Prompts, compare, table
from benchmarks.served import serving

ENTRY = "smollm2-transformers"


def main() -> None:
    arguments = _arguments()
    python = arguments.python or interpreter_of(ENTRY)
    weights = arguments.weights.absolute() if arguments.weights else weights_of(ENTRY, python)
    prompts = Prompts()
    with (
        tempfile.TemporaryDirectory(prefix="jubako-bench-") as folder,
        serving(_repository(Path(folder), weights, python, arguments), "--no-access-log") as served,
        _bare_manager(weights, python, arguments) as bare,
    ):
        comparisons = [compare(streams, served, bare, prompts, arguments) for streams in arguments.streams]
    words = machine.description("bentoml") | {"threads": str(arguments.threads), "dtype": arguments.dtype}
    console = Console()
    console.print(table(comparisons, arguments))
    file = machine.write("continuous-batching", words, [asdict(each) for each in comparisons])
    console.print(f"kept in {file}", style="dim", highlight=False)


@contextmanager
def _bare_manager(weights: Path, python: str, arguments: argparse.Namespace) -> Iterator[BareEngine]:
    settings = {
        "weights": str(weights),
        "slots": arguments.slots,
        "threads": arguments.threads,
        "context_length": CONTEXT_LENGTH,
        "dtype": arguments.dtype,
    }
    command = [python, "-m", "benchmarks.bare_manager", json.dumps(settings)]
    root = Path(__file__).parents[1]
    with subprocess.Popen(
        command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            yield BareEngine(process)
        finally:
            process.kill()


def _repository(folder: Path, weights: Path, python: str, arguments: argparse.Namespace) -> Path:
    (folder / MODEL / "1").mkdir(parents=True)
    engine = {
        "max_model_len": CONTEXT_LENGTH,
        "max_num_seqs": arguments.slots,
        "num_threads": arguments.threads,
        "dtype": arguments.dtype,
    }
    # JSON is YAML.
    document = {"backend": "transformers", "source": f"file:{weights}", "environment": python, "engine": engine}
    (folder / MODEL / "model.yaml").write_text(json.dumps(document))
    return folder


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.continuous_batching", description=(__doc__ or "").partition("\n")[0]
    )
    cores = len(os.sched_getaffinity(0))
    parser.add_argument("--threads", type=int, default=max(1, cores - 1), help="threads of the engine, on both sides")
    parser.add_argument("--slots", type=int, default=16, help="requests that generate at once, on both sides")
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 4, 16], help="how many to ask for at once")
    parser.add_argument("--rounds", type=int, default=5, help="measured rounds of each side")
    parser.add_argument("--repeats", type=int, default=2, help="requests, one after the other, in a round of one stream")
    parser.add_argument("--dtype", default="float32", help="number format, on both sides")
    parser.add_argument("--python", help="interpreter that has transformers. Default: the environment made for the backend")
    parser.add_argument("--weights", type=Path, help="Hugging Face folder of SmolLM2. Default: made of the GGUF file")
    return parser.parse_args()


if __name__ == "__main__":
    main()
